//! Documents: those that multiply, and those that are many.

use super::{MIB, Target, all, query};

/// The document of whoever found it: each pair of levels answers eight times as much.
fn amplifier(pairs: usize) -> String {
    let pair = "possibleTypes{interfaces{".repeat(pairs);
    format!("{{__type(name:\"UserError\"){{{pair}name{}}}}}", "}}".repeat(pairs))
}

#[tokio::test(flavor = "multi_thread")]
async fn introspection_that_multiplies_is_refused_before_it_runs() {
    let target = Target::demo("").await;
    let lists = ["fields{type{", "possibleTypes{fields{type{", "interfaces{possibleTypes{"];
    let other = |n: usize| {
        let list = lists[n % lists.len()];
        let (times, deep) = (2 + n % 5, list.matches('{').count());
        let below = format!("{}name{}", list.repeat(times), "}".repeat(deep * times));
        format!("{{__schema{{types{{{below}}}}}}}")
    };
    let requests =
        (0..600).map(|n| query(if n % 2 == 0 { amplifier(2 + n % 10) } else { other(n) }));
    let codes = target.endures(48 * MIB, target.flood(64, requests)).await;
    let refused = |code: &&str| !["DOCUMENT_TOO_COMPLEX", "DOCUMENT_TOO_DEEP"].contains(code);
    let others: Vec<_> = all(&codes).into_iter().filter(refused).collect();
    // What is within the bounds is answered, and is little.
    assert!(others == ["OK"] && codes["OK"] < 50, "{codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_introspection_that_is_answered_harms_nobody() {
    let target = Target::demo("").await;
    let whole = "{ __schema { types { kind name description fields { name description
        args { name description type { kind name ofType { kind name } } defaultValue }
        type { kind name ofType { kind name ofType { kind name } } } }
        inputFields { name description type { kind name ofType { kind name } } }
        enumValues { name description } possibleTypes { name } interfaces { name } }
        directives { name args { name } } } }";
    let codes = target.endures(128 * MIB, target.flood(4, vec![query(whole); 48])).await;
    assert_eq!(all(&codes), ["OK"], "{codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_remembered_by_what_they_weigh() {
    let target = Target::demo("").await;
    let comment = "#".repeat(900 << 10);
    let document = |n: usize| query(format!("{{ serverInfo {{ name }} }} # {n} {comment}"));
    let codes = target.endures(72 * MIB, target.flood(4, (0..120).map(document))).await;
    assert_eq!(all(&codes), ["OK"], "{codes:?}");
    let fields = "name version ".repeat(950);
    let document = |n: usize| query(format!("{{ serverInfo {{ {fields} }} }} # {n}"));
    let codes = target.endures(72 * MIB, target.flood(4, (0..200).map(document))).await;
    assert_eq!(all(&codes), ["OK"], "{codes:?}");
}
