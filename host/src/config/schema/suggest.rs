//! What was probably meant by a name that nobody knows.

/// The candidate of which `name` seems to be a misspelling.
pub(super) fn nearest<'n, N: AsRef<str>>(name: &str, candidates: &'n [N]) -> Option<&'n str> {
    /// Jaro-Winkler similarity from which a name is taken for a misspelling.
    const NEAR: f64 = 0.8;
    let wanted = name.to_lowercase();
    // In short names that measure does not see two letters that changed places.
    let one_slip = |other: &str| other.len() > 2 && strsim::damerau_levenshtein(&wanted, other) == 1;
    let similarity = |candidate: &'n N| {
        let other = candidate.as_ref().to_lowercase();
        let similarity = strsim::jaro_winkler(&wanted, &other);
        (if one_slip(&other) { similarity.max(NEAR) } else { similarity }, candidate.as_ref())
    };
    let near = candidates.iter().map(similarity).filter(|(similarity, _)| *similarity >= NEAR);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

/// `did you mean …?` where a candidate is near, else all of them after `otherwise`.
pub(super) fn suggest(name: &str, candidates: &[impl AsRef<str>], otherwise: &str) -> String {
    match nearest(name, candidates) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => {
            let mut names: Vec<String> = candidates.iter().map(|name| format!("`{}`", name.as_ref())).collect();
            names.sort_unstable();
            format!("{otherwise} {}", names.join(", "))
        }
    }
}
