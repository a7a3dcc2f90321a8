//! The settings, and the `set-cookie` that they make: RFC 6265, and the rules of its revision (RFC 6265bis) by
//! which browsers drop a cookie without a word.

use std::time::Duration;

use serde::Deserialize;
use trimtab_sdk::settings;

use crate::Value;

/// The settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    name: String,
    path: String,
    domain: Option<String>,
    /// Without it the cookie ends with the browser's session. In seconds, or text such as `"7d"`.
    #[serde(deserialize_with = "max_age")]
    max_age: Option<Duration>,
    secure: bool,
    http_only: bool,
    same_site: SameSite,
    /// Refuse a client whose backend is not there (503), rather than bind it to another.
    pub strict: bool,
    /// The host's, in the settings of every affinity: 32 bytes in base64 that all workers, restarts and fellow
    /// balancers with the same `secret_file` agree on.
    pub secret: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SameSite {
    Lax,
    Strict,
    None,
    /// No attribute: as the browser thinks best.
    Unset,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "trimtab".to_owned(),
            path: "/".to_owned(),
            domain: None,
            max_age: None,
            secure: false,
            http_only: true,
            same_site: SameSite::Lax,
            strict: false,
            secret: String::new(),
        }
    }
}

/// A cookie but for its value.
#[derive(Debug, Clone)]
pub struct Attributes {
    /// The cookie's name.
    pub name: String,
    /// Whether it ends by the clock, and so is to be set again with each response.
    pub ends: bool,
    /// What follows the value.
    after: String,
}

impl Attributes {
    /// The header that sets the cookie to this value.
    pub fn set(&self, value: Value) -> String {
        format!("{}={value}{}", self.name, self.after)
    }
}

impl Settings {
    /// The cookie that these settings describe.
    ///
    /// # Errors
    ///
    /// A sentence about the setting that no browser would take.
    pub fn attributes(&self) -> Result<Attributes, String> {
        let Self { name, path, domain, secure, same_site, .. } = self;
        if !settings::is_token(name) {
            return Err(format!("`name`: `{name}` is no name of a cookie"));
        }
        if !path.starts_with('/') || !path.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b';') {
            return Err(format!("`path`: `{path}` is no path: it starts with `/` and has no `;`"));
        }
        if let Some(domain) = domain.as_deref().filter(|domain| !is_domain(domain)) {
            return Err(format!("`domain`: `{domain}` is no name of a domain"));
        }
        if self.max_age.is_some_and(|age| age < Duration::from_secs(1)) {
            return Err("`max_age` must be at least a second".to_owned());
        }
        if *same_site == SameSite::None && !secure {
            return Err("`same_site = \"none\"` needs `secure = true`: browsers drop the cookie otherwise".to_owned());
        }
        let prefix = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        if (prefix("__Secure-") || prefix("__Host-")) && !secure {
            return Err(format!("`name`: browsers drop `{name}` without `secure = true`"));
        }
        if prefix("__Host-") && (path != "/" || domain.is_some()) {
            return Err(format!("`name`: browsers drop `{name}` with a `domain` or a `path` other than `/`"));
        }
        Ok(Attributes { name: name.clone(), ends: self.max_age.is_some(), after: self.after() })
    }

    fn after(&self) -> String {
        let mut after = format!("; Path={}", self.path);
        if let Some(domain) = &self.domain {
            after += &format!("; Domain={domain}");
        }
        if let Some(age) = self.max_age {
            after += &format!("; Max-Age={}", age.as_secs());
        }
        after += if self.secure { "; Secure" } else { "" };
        after += if self.http_only { "; HttpOnly" } else { "" };
        after += match self.same_site {
            SameSite::Lax => "; SameSite=Lax",
            SameSite::Strict => "; SameSite=Strict",
            SameSite::None => "; SameSite=None",
            SameSite::Unset => "",
        };
        after
    }
}

/// RFC 1123, section 2.1: labels of letters, digits and hyphens. A dot in front means nothing (RFC 6265, 5.2.3).
fn is_domain(domain: &str) -> bool {
    let domain = domain.strip_prefix('.').unwrap_or(domain);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.len() <= 253 && domain.split('.').all(is_label)
}

fn max_age<'de, D: serde::Deserializer<'de>>(setting: D) -> Result<Option<Duration>, D::Error> {
    settings::duration(setting).map(Some)
}
