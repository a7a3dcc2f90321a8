//! `feedback`, as it may be written and what is said of it otherwise.

use std::time::Duration;

use super::{lines, minimal, pool, report};
use crate::config::Feedback;

#[track_caller]
fn complaint(feedback: &str) -> String {
    let lines = lines(&report(&minimal("", &format!("feedback = {feedback}"))));
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines[0].split_once(' ').expect("position").1.to_owned()
}

fn feedback(written: &str) -> Option<Feedback> {
    pool(&format!("feedback = {written}")).feedback
}

#[test]
fn what_is_listened_to() {
    assert_eq!((pool("").feedback, feedback("false")), (None, None));
    let all = Feedback {
        weight: Some("x-backend-weight".into()),
        state: Some("x-backend-state".into()),
        orca: true,
        hold: Duration::from_secs(60),
    };
    assert_eq!(feedback("true"), Some(all.clone()));
    let nothing = Feedback { weight: None, state: None, orca: false, ..all.clone() };
    assert_eq!(feedback("{ orca = true }"), Some(Feedback { orca: true, ..nothing.clone() }));
    assert_eq!(
        feedback("{ weight = 'X-Load', state = true, hold = '5s' }"),
        Some(Feedback { weight: Some("x-load".into()), state: all.state, hold: Duration::from_secs(5), ..nothing })
    );
}

#[test]
fn what_is_wrong() {
    assert!(complaint("'x-load'").starts_with("`feedback` must be true, false or a table"));
    assert!(complaint("{ }").starts_with("`feedback` names nothing to listen to | write `true` or"));
    assert!(complaint("{ weight = 'x', state = 'X' }").starts_with("`weight` and `state` are in the same header"));
    assert!(complaint("{ weight = 'a b' }").starts_with("\"a b\" is no name of a header"));
    assert!(complaint("{ weight = 'Content-Length' }").starts_with("\"content-length\" has a meaning of its own"));
    assert!(complaint("{ wieght = true, orca = true }").ends_with("| did you mean `weight`?"));
    assert!(complaint("{ orca = 'yes' }").starts_with("`orca` must be true or false"));
}
