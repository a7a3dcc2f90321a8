//! Help with settings. Only what needs no JSON parser, which would be larger than most plugins.

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

#[cfg(test)]
mod tests {
    use super::none;

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
