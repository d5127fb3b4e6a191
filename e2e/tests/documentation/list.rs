//! Every example of the pages, and whether it is run.

use super::{API, AUDIT, IDENTITY, POLICY, README};
use zas_e2e::examples::blocks;

/// What becomes of an example.
enum Fate {
    /// A test of this folder runs it, or that of the Keycloak.
    Run,
    /// No test can, or need.
    Left(&'static str),
}

use Fate::{Left, Run};

/// A page's name, what stands in it, and its examples by how they begin, in their order.
type Page = (&'static str, &'static str, &'static [(&'static str, Fate)]);

const EXAMPLES: &[Page] = &[
    (
        "README.md",
        README,
        &[
            ("cargo run --release -- dev", Left("every test here starts a dev, and is part of the other command")),
            ("export AWS_SHARED_CREDENTIALS_FILE", Run),
            ("KEY=", Run),
            ("oras pull", Run),
            ("SECRET=", Run),
            (
                "zas-proxy zot-config",
                Left("it goes on for ever, with a Zot of one's own; tests/outages.rs and others run both"),
            ),
            ("root=", Run),
            ("login()", Run),
            ("cargo test --workspace", Left("it is this")),
        ],
    ),
    ("docs/api.md", API, &[("root=", Run), ("curl", Run), ("curl", Run), ("curl", Run), ("key=", Run)]),
    (
        "docs/audit.md",
        AUDIT,
        &[
            ("zas-proxy audit generate-key", Run),
            ("zas-proxy audit verify --config zas.toml\n", Run),
            ("zas-proxy audit verify --config zas.toml --from", Left("the key is that of one installation")),
            (
                "ZAS_DATABASE__URL=",
                Left("it needs a database with two users: proxy/tests/on_record/service_role.rs has one"),
            ),
            ("curl -u \"$KEY:$SECRET\" 'https://zas.example", Run),
        ],
    ),
    (
        "docs/identity.md",
        IDENTITY,
        &[
            ("curl -u $root -X PUT $api/roles/deploy", Run),
            (
                "AWS_ROLE_ARN=",
                Left("it needs a job of GitHub; the tour of the Keycloak takes a role by the same means"),
            ),
            ("echo $token | oras login", Left("it needs a person; the README's people do the same")),
            ("openssl genpkey", Run),
            ("curl -u $root $api/access-keys", Run),
        ],
    ),
    (
        "docs/policy.md",
        POLICY,
        &[("curl -u \"$KEY:$SECRET\" -X PUT \"$URL", Run), ("curl -u \"$KEY:$SECRET\" -X PUT $URL", Run)],
    ),
];

#[test]
fn every_example_of_the_pages_is_run_or_it_is_said_why_not() {
    for (name, page, examples) in EXAMPLES {
        let found = blocks(page);
        let begins: Vec<&str> = found.iter().filter_map(|block| block.lines().next()).collect();
        assert_eq!(found.len(), examples.len(), "{name} has other examples by now: {begins:#?}");
        for (block, (begin, fate)) in found.iter().zip(*examples) {
            assert!(block.starts_with(*begin), "{name}: {block:?} does not begin with {begin:?}");
            if let Left(why) = fate {
                assert!(!why.is_empty(), "{name}: {begin:?} is left out for no reason");
            }
        }
    }
}
