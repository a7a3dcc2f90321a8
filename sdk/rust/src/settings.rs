//! Help with settings: [`none`] for plugins without any, `parse` (feature `json`) for the others.

#[cfg(feature = "json")]
use std::time::Duration;

/// For plugins without settings: an error unless `settings` is an empty JSON object.
///
/// # Errors
///
/// A sentence that names the first setting found.
pub fn none(settings: &str) -> Result<(), String> {
    let inner = settings.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    match inner.map(str::trim) {
        Some("") => Ok(()),
        Some(inner) => {
            let name = inner.strip_prefix('"').and_then(|rest| rest.split('"').next()).unwrap_or(inner);
            Err(format!("unknown setting `{name}`: this plugin has no settings"))
        }
        None => Err("the settings are no JSON object".to_owned()),
    }
}

/// Whether this is a name that a header, a cookie or a method can have: a token of RFC 9110, section 5.6.2.
pub fn is_token(name: &str) -> bool {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(of_token)
}

/// The settings as a type of the plugin's own. Derive `serde::Deserialize` for it with
/// `#[serde(deny_unknown_fields, default)]`, and check in `configure` what the types cannot say.
///
/// # Errors
///
/// A sentence that names the setting and what is wrong with it.
#[cfg(feature = "json")]
pub fn parse<T: serde::de::DeserializeOwned>(settings: &str) -> Result<T, String> {
    serde_json::from_str(settings).map_err(|error| {
        // The place is one in JSON that nobody wrote.
        let text = error.to_string();
        text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text).to_owned()
    })
}

/// A length of time, for `#[serde(deserialize_with = "settings::duration")]`: a number of seconds, or
/// text as everywhere in the configuration: `"500ms"`, `"90s"`, `"30m"`, `"1h"`, `"7d"`.
///
/// # Errors
///
/// When it is neither.
#[cfg(feature = "json")]
pub fn duration<'de, D: serde::Deserializer<'de>>(setting: D) -> Result<Duration, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(untagged, expecting = "expected seconds or a duration such as \"30m\"")]
    enum Spelling {
        Seconds(u64),
        Text(String),
    }
    let millis = match serde::Deserialize::deserialize(setting)? {
        Spelling::Seconds(seconds) => seconds.checked_mul(1_000),
        Spelling::Text(text) => millis(&text),
    };
    millis.map(Duration::from_millis).ok_or_else(|| serde::de::Error::custom("expected a duration such as \"30m\""))
}

#[cfg(feature = "json")]
fn millis(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let millis = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(millis)
}

#[cfg(test)]
mod tests {
    use super::none;

    #[cfg(feature = "json")]
    #[test]
    fn durations_are_seconds_or_have_a_unit() {
        #[derive(Debug, serde::Deserialize)]
        struct Settings {
            #[serde(deserialize_with = "super::duration")]
            ttl: std::time::Duration,
        }
        let parse = |text: &str| super::parse::<Settings>(&format!(r#"{{"ttl": {text}}}"#)).map(|s| s.ttl.as_millis());
        assert_eq!(parse("90"), Ok(90_000));
        assert_eq!(parse(r#""500ms""#), Ok(500));
        assert_eq!(parse(r#""30m""#), Ok(1_800_000));
        assert_eq!(parse(r#""7 d""#), Ok(604_800_000));
        for wrong in [r#""""#, r#""m""#, r#""5""#, r#""5 weeks""#, "-1", "1.5", "true", r#""99999999999999999999d""#] {
            let error = parse(wrong).expect_err(wrong);
            assert!(error.contains("duration"), "{wrong}: {error}");
        }
    }

    #[cfg(feature = "json")]
    #[test]
    fn what_is_wrong_is_named() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Settings {
            choices: u32,
        }
        assert_eq!(super::parse::<Settings>(r#"{"choices": 3}"#).expect("parses").choices, 3);
        let error = super::parse::<Settings>(r#"{"choice": 3}"#).expect_err("unknown");
        assert_eq!(error, "unknown field `choice`, expected `choices`");
        let error = super::parse::<Settings>(r#"{"choices": "x"}"#).expect_err("a type");
        assert_eq!(error, "invalid type: string \"x\", expected u32");
    }

    #[test]
    fn only_an_empty_object_is_none() {
        assert_eq!(none("{}"), Ok(()));
        assert_eq!(none(" { }\n"), Ok(()));
        let error = none(r#"{"percent": 5, "b": 1}"#).expect_err("a setting");
        assert_eq!(error, "unknown setting `percent`: this plugin has no settings");
        assert!(none("").is_err());
        assert!(none("[]").is_err());
    }
}
