//! Nothing that a file says may panic us.

use std::path::Path;

use proptest::prelude::*;

use super::{BUILT_INS, parse};

const EXAMPLE: &str = include_str!("../../../../examples/trimtab.toml");

/// Pieces that mean something in TOML or in a configuration.
const PIECES: [&str; 22] = [
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "=",
    ".",
    ",",
    "\n",
    "#",
    "\\u12",
    "é",
    "\u{feff}",
    "\0",
    "-1",
    "99999999999999999999",
    "nan",
    "1979-05-27",
    "[pool]\n",
    "[[listener]]\n",
];

fn check(text: &str) {
    if let Err(report) = parse(text, "x", Path::new(""), &BUILT_INS) {
        assert!(report.has_errors());
        assert!(report.render(true).len() + report.render(false).len() > 0);
        assert!(report.findings().iter().all(|finding| report.position(finding) >= (1, 1)));
    }
}

proptest! {
    #[test]
    fn mutated_examples_do_not_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), 0..40usize, 0..PIECES.len()), 1..4)) {
        let mut text = EXAMPLE.to_owned();
        for (place, length, piece) in edits {
            let start = text.floor_char_boundary(place.index(text.len()));
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, PIECES[piece]);
        }
        check(&text);
    }

    #[test]
    fn any_value_for_any_key_is_judged(line in any::<prop::sample::Index>(), value in "[\"']?[-0-9a-z:./*\\[\\]{}= ,]{0,12}[\"']?") {
        let mut lines: Vec<String> = EXAMPLE.lines().map(|line| line.trim_start_matches('#').to_owned()).filter(|line| line.contains(" = ")).collect();
        let line = line.index(lines.len());
        let key = lines[line].split(" = ").next().unwrap_or_default().to_owned();
        lines[line] = format!("{key} = {value}");
        check(&lines.join("\n"));
        for header in ["[server]", "[admin]", "[log]", "[[listener]]", "[[route]]", "[pool.web]", "[plugin.p]", "[[pool.web.backends]]"] {
            check(&format!("{header}\n{key} = {value}\n"));
        }
    }

    #[test]
    fn arbitrary_text_does_not_panic(text in any::<String>()) {
        check(&text);
    }
}
