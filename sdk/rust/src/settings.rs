//! Help with settings: [`none`] for plugins without any, [`parse`](self::parse) (feature `json`) for the others.

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

#[cfg(test)]
mod tests {
    use super::none;

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
