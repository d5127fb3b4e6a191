//! Every example of the pages, and whether it is run.

use super::{API, AUDIT, IDENTITY, POLICY, README, SBOM, SUPPLY_CHAIN, VERIFICATION_POLICIES};
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
    (
        "docs/api.md",
        API,
        &[
            ("root=", Run),
            ("curl -sS -u $root $api/whoami", Run),
            ("curl -sS -u $root \"$api/policies?limit=2\"", Run),
            ("curl -sS -u $root -X PUT $api/policies/release-readers", Run),
            ("key=", Run),
            ("curl -sS -u $root $api/signing-keys", Run),
            ("curl -sS -u $root $api/buckets", Run),
        ],
    ),
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
    ("docs/sbom.md", SBOM, &[("SBOM_CORPUS=", Left("it is a test itself, for whoever has documents of other tools"))]),
    (
        "docs/supply-chain.md",
        SUPPLY_CHAIN,
        &[
            ("export AWS_SHARED_CREDENTIALS_FILE", Run),
            ("curl -sS -u $root $api/signing-keys", Run),
            ("cat > sbom.json", Run),
            ("cat > build.json", Run),
            ("curl -sS -u $root -X PUT $api/verification-policies/shipping", Run),
            ("echo 'bytes that nobody has signed'", Run),
            ("curl -sS -u $root -X PUT $api/buckets/shipping/policy", Run),
            ("image=", Run),
            ("signature=", Run),
            ("aws s3 cp", Left("the tour does the same; tests/artifacts.rs pulls by every name")),
            ("cosign sign", Left("it needs keys of cosign's; tests/artifacts.rs signs and attaches with them")),
            (
                "curl -sS -u $root $api/artifacts/attest",
                Left("it needs an image; tests/signing attests to one, with the same predicate"),
            ),
            (
                "curl -sS -u $root \"$api/artifacts/referrers",
                Left("it needs an image with attestations; the tour asks the same of an object"),
            ),
            (
                "curl -sS -u $root $api/trusted-keys",
                Left("it needs somebody else's key; tests/verdicts.rs has cosign make one"),
            ),
            (
                "curl -sS -u $root -X PUT $api/buckets/releases/signing-rules",
                Left("docs/api.md sets such a rule; tests/signing waits for its signatures"),
            ),
            ("curl -u \"$KEY:$SECRET\" \"$URL/-/api/v1/artifacts/sbom", Left("tests/sboms does all of it")),
        ],
    ),
    (
        "docs/verification-policies.md",
        VERIFICATION_POLICIES,
        &[
            ("curl -sS -u $root -X PUT", Run),
            ("curl -sS -u $root $api/artifacts/verify", Run),
            ("job=", Run),
            ("curl -sS -u $root \"$api/artifacts/verdicts", Run),
            ("curl -sS -u $root $api/signing-keys", Run),
            ("ZAS_SUPPLY_CHAIN__VERDICT_KEY=", Left("the test starts its dev with that very variable")),
            ("cosign verify-attestation", Run),
        ],
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
