//! Error pages and fixed responses: their files are read once, when a configuration is loaded.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;

use super::StartError;
use crate::config::{Answer, Config, Content, ErrorPages, Source};
use crate::plugin::Registry;
pub(super) use crate::snapshot::Pages;
use crate::snapshot::{Page, Said};

/// Largest file that is kept, in bytes.
const LARGEST: u64 = 1 << 20;

/// All that is said without a backend.
#[derive(Default)]
pub(super) struct Loaded {
    /// For each route.
    pub(super) routes: Vec<Said>,
    /// For each listener, those of the server behind its own.
    pub(super) listeners: Vec<Pages>,
}

/// Reads all files, on a builder thread.
///
/// # Errors
/// Every file that cannot be read.
pub(super) async fn load(config: &Config, registry: &Registry) -> Result<Loaded, Vec<StartError>> {
    let has_pages = |pages: &ErrorPages| !pages.is_empty();
    let is_used = has_pages(&config.server.error_pages)
        || config.listeners.iter().any(|listener| has_pages(&listener.error_pages))
        || config.routes.iter().any(|route| route.answer.is_some() || has_pages(&route.error_pages));
    if !is_used {
        let (routes, listeners) =
            (vec![Said::default(); config.routes.len()], vec![Pages::default(); config.listeners.len()]);
        return Ok(Loaded { routes, listeners });
    }
    let config = config.clone();
    let stopped = || vec![StartError::System(io::Error::other("the builder threads have stopped"))];
    registry.work(move || read_all(&config)).await.ok_or_else(stopped)?
}

fn read_all(config: &Config) -> Result<Loaded, Vec<StartError>> {
    let mut errors = Vec::new();
    let mut page = |content: &Content| -> Page {
        let body = match &content.source {
            Source::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Source::File(path) => read(path).unwrap_or_else(|error| {
                errors.push(StartError::Page { path: path.clone(), error });
                Bytes::new()
            }),
        };
        Page { kind: content.kind.clone(), body }
    };
    let level = |pages: &ErrorPages, page: &mut dyn FnMut(&Content) -> Page| {
        pages.iter().map(|(occasion, contents)| (occasion.clone(), contents.iter().map(&mut *page).collect())).collect()
    };
    let server: Vec<_> = level(&config.server.error_pages, &mut page);
    let listeners = config.listeners.iter();
    let listeners = listeners
        .map(|listener| Pages { levels: vec![level(&listener.error_pages, &mut page), server.clone()] })
        .collect();
    let said = |route: &crate::config::Route| Said {
        pages: Pages { levels: vec![level(&route.error_pages, &mut page)] },
        fixed: match &route.answer {
            Some(Answer::Respond { content, .. }) => Some(page(content)),
            _ => None,
        },
    };
    let routes = config.routes.iter().map(said).collect();
    if errors.is_empty() { Ok(Loaded { routes, listeners }) } else { Err(errors) }
}

fn read(path: &Path) -> io::Result<Bytes> {
    let mut body = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut body)?;
    if body.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(Bytes::from(body))
}
