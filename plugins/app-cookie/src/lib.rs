//! App-cookie: learns the session cookie that the application sets, and follows it.
//!
//! It sets no cookie of its own. A session is bound to the backend whose response opened it, in the
//! table that all workers share: bounded, and with expiry. The way of HAProxy's `appsession` (removed in 1.6)
//! and its successor, `stick store-response`.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use trimtab_sdk::remembered::Remembered;
use trimtab_sdk::{Affinity, Backend, Instance, Moment, Plan, Verdict, request, response, settings};

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The cookie, such as `JSESSIONID`.
    name: String,
    /// Take any cookie whose name begins with `name`, and what follows in name and value as the session:
    /// `ASPSESSIONID` has a new name for each process.
    prefix: bool,
    /// Where there is no cookie, the session is in this parameter of the path: `;jsessionid=`.
    path_parameter: String,
    /// Also learn from requests: a session that is not known (any more) is bound to the backend that answers it.
    request_learn: bool,
    /// How long a session is remembered after its last request: seconds, or text such as `"30m"`.
    #[serde(deserialize_with = "settings::duration")]
    ttl: Duration,
    /// The host's, 32 bytes in base64, in the settings of every affinity. Not needed here.
    #[serde(rename = "secret")]
    _secret: IgnoredAny,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            prefix: false,
            path_parameter: String::new(),
            request_learn: true,
            ttl: Duration::from_secs(30 * 60),
            _secret: IgnoredAny,
        }
    }
}

/// The bindings by session.
#[derive(Debug)]
pub struct AppCookie {
    settings: Settings,
    bindings: Remembered,
}

impl Affinity for AppCookie {
    fn configure(settings: &str, _instance: &Instance) -> Result<(Self, Plan), String> {
        let settings: Settings = settings::parse(settings)?;
        if settings.name.is_empty() {
            return Err("`name` is missing: the cookie that the application sets, such as \"JSESSIONID\"".to_owned());
        }
        if !settings::is_token(&settings.name) {
            return Err(format!("`name`: `{}` is no name of a cookie", settings.name));
        }
        let bindings = Remembered::new(settings.ttl)?;
        Ok((Self { settings, bindings }, Plan::default()))
    }

    fn update(&mut self, backends: &[Backend]) {
        self.bindings.update(backends);
    }

    fn adjust(&mut self, backends: &[Backend]) {
        self.bindings.adjust(backends);
    }

    fn find(&mut self, moment: Moment) -> Verdict {
        let found = self.asked().and_then(|session| self.bindings.find(session.as_bytes(), moment));
        found.map_or(Verdict::Pass, Verdict::Backend)
    }

    fn bind(&mut self, moment: Moment, backend: u32, found: Option<u32>) -> Vec<(String, String)> {
        let unbound = self.settings.request_learn && found != Some(backend);
        let session = self.answered().or_else(|| if unbound { self.asked() } else { None });
        if let Some(session) = session {
            self.bindings.bind(session.as_bytes(), moment, backend);
        }
        Vec::new()
    }
}

impl AppCookie {
    /// The session that the client asks with.
    fn asked(&self) -> Option<String> {
        let name = &self.settings.name;
        let cookie = if self.settings.prefix {
            request::headers("cookie").iter().flat_map(|header| header.split(';')).find_map(|pair| suffix(pair, name))
        } else {
            request::cookie(name)
        };
        let parameter = || match self.settings.path_parameter.as_str() {
            "" => None,
            name => request::path_parameter(name),
        };
        cookie.filter(|session| !session.is_empty()).or_else(parameter).filter(|session| !session.is_empty())
    }

    /// The session that the response opens. An empty value ends one.
    fn answered(&self) -> Option<String> {
        let name = &self.settings.name;
        let cookie = if self.settings.prefix {
            response::headers("set-cookie").iter().find_map(|header| suffix(header.split(';').next()?, name))
        } else {
            response::set_cookie(name)
        };
        cookie.filter(|session| !session.is_empty())
    }
}

/// `XYZ=1` of ` NAMEXYZ=1`; none where nothing is set.
fn suffix(pair: &str, name: &str) -> Option<String> {
    let suffix = pair.trim().strip_prefix(name)?;
    suffix.split_once('=').filter(|(_, value)| !value.is_empty()).map(|_| suffix.to_owned())
}

trimtab_sdk::export_affinity!(AppCookie);
