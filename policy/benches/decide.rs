//! What a decision and a load cost. `cargo bench -p zas-policy`

#![expect(clippy::unwrap_used, reason = "a benchmark that stops at the first error")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use zas_policy::{Action, Empty, Identity, Kind, Policy, PolicySet, Principal, Request, Resource, Target};

fn statements(count: usize) -> String {
    let each = (0..count).map(|at| {
        format!(
            r#"{{"Sid": "S{at}", "Effect": "{}", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "team-{at}/${{aws:username}}/*",
               "Condition": {{"StringLike": {{"aws:username": ["alice", "b*"]}}}}}}"#,
            if at % 10 == 0 { "Deny" } else { "Allow" }
        )
    });
    format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, each.collect::<Vec<_>>().join(","))
}

/// 100 statements about the same action, of which the last allows.
fn hundred_statements(c: &mut Criterion) {
    let parse = |text: String| Policy::parse(Kind::Identity, "p", &text).unwrap();
    let set = PolicySet::builder().policy(parse(statements(100))).attach("p", Target::User("alice".into())).build();
    let alice = Principal::identity(Identity { name: "alice".into(), ..Identity::default() });
    let (allowed, denied) = (Resource::object("team-99", "alice/x"), Resource::object("team-100", "alice/x"));
    for (name, resource) in [("100 statements, allowed by the last", &allowed), ("100 statements, denied", &denied)] {
        let request =
            Request { principal: &alice, action: Action::GetObject, resource, context: &Empty, narrowed_by: &[] };
        c.bench_function(name, |b| b.iter(|| set.decide(black_box(&request))));
    }
}

fn load(c: &mut Criterion) {
    let text = statements(2);
    c.bench_function("load 10,000 policies", |b| {
        b.iter(|| {
            let policies = (0..10_000).map(|at| Policy::parse(Kind::Identity, &format!("p{at}"), &text).unwrap());
            let filled = policies.fold(PolicySet::builder(), |builder, policy| {
                let name = policy.name().to_owned();
                builder.policy(policy).attach(name.clone(), Target::Group(name))
            });
            filled.build()
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = hundred_statements, load
}
criterion_main!(benches);
