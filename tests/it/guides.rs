//! The guides say all that there is to say.

/// `LastWins` as specs write it.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// The choices of each policy that `guide` leaves out, as `Policy.choice`.
fn missing(source: &str, guide: &str) -> Vec<String> {
    let (mut missing, mut policy) = (Vec::new(), None);
    for line in source.lines() {
        if let Some(name) = line.strip_prefix("pub enum ") {
            policy = Some(name.trim_end_matches(" {"));
        } else if line == "}" {
            policy = None;
        }
        let (Some(policy), Some(variant)) = (policy, line.strip_prefix("    ")) else {
            continue;
        };
        if !variant.starts_with(|first: char| first.is_ascii_uppercase()) {
            continue;
        }
        let choice = snake(variant.trim_end_matches([',', '{', ' ']));
        let section = (guide.split("\n## ")).find(|s| s.starts_with(&format!("[`{policy}`]")));
        if !section.is_some_and(|section| section.contains(&format!("\n| `{choice}`"))) {
            missing.push(format!("{policy}.{choice}"));
        }
    }
    missing
}

#[test]
fn the_guide_of_policies_has_every_choice() {
    let source = include_str!("../../src/spec/policy.rs");
    let guide = include_str!("../../src/docs/policies.md");
    assert_eq!(missing(source, guide), Vec::<String>::new());
    // The check sees what is gone.
    let poorer = guide.replace("| `last_wins`", "| last");
    assert_eq!(missing(source, &poorer), ["DuplicateKeys.last_wins"]);
    let poorer = guide.replace("| `first` |", "| first |");
    assert_eq!(missing(source, &poorer), ["MultiMatch.first"]);
}
