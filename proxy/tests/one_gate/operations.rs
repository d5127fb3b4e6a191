//! What operations there are, as the code itself says.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;
use zas_proxy::gateway::Door;
use zas_proxy::oci::{Name, Reference, Route, TOKEN_PATH};
use zas_proxy::{admin, logout, rest, s3, sts};

use super::ask::Ask;
use super::sidecar::Sidecar;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Every method that HTTP has (RFC 9110, section 9; RFC 5789) but CONNECT and TRACE, which the listener refuses.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// The operations of a door.
pub(crate) async fn operations(sidecar: &Sidecar, door: Door) -> BTreeSet<String> {
    match door {
        Door::S3 => s3::operations().map(str::to_owned).collect(),
        Door::Sts => sts::operations().map(str::to_owned).collect(),
        Door::Oci => of_the_registry(),
        Door::Token => that_exist(sidecar, &[TOKEN_PATH]).await,
        Door::Logout => that_exist(sidecar, &[logout::PATH]).await,
        Door::Rest => {
            let mut paths: Vec<&str> = rest::PATHS.iter().map(|(path, _)| *path).collect();
            paths.push("/-/api/openapi.json");
            let mut found = that_exist(sidecar, &paths).await;
            found.extend(described());
            found
        }
    }
}

/// The allow-list: each route with each of its methods.
fn of_the_registry() -> BTreeSet<String> {
    let routes = routes();
    let numbers: BTreeSet<usize> = routes.iter().map(number).collect();
    assert_eq!(numbers, (0..routes.len()).collect(), "one of each route");
    let mut found = BTreeSet::new();
    for route in &routes {
        for method in METHODS.iter().filter(|method| route.operation(method).is_some()) {
            found.insert(format!("{method} {}", route.template()));
        }
    }
    found
}

/// One of each; [`number`] does not compile when a route is added, and its number is then missing here.
fn routes() -> Vec<Route> {
    let name = || Name::parse("team/app").unwrap();
    let digest = || zas_proxy::oci::ContentDigest::parse(DIGEST).unwrap();
    vec![
        Route::Base,
        Route::Catalog,
        Route::Tags { name: name() },
        Route::Manifest { name: name(), reference: Reference::parse("v1").unwrap() },
        Route::Blob { name: name(), digest: digest() },
        Route::Uploads { name: name() },
        Route::Upload { name: name(), id: "x".to_owned() },
        Route::Referrers { name: name(), digest: digest() },
    ]
}

const fn number(route: &Route) -> usize {
    match route {
        Route::Base => 0,
        Route::Catalog => 1,
        Route::Tags { .. } => 2,
        Route::Manifest { .. } => 3,
        Route::Blob { .. } => 4,
        Route::Uploads { .. } => 5,
        Route::Upload { .. } => 6,
        Route::Referrers { .. } => 7,
    }
}

/// The operations of the OpenAPI document, which is made from the routes.
fn described() -> BTreeSet<String> {
    let document: Value = serde_json::from_str(&admin::document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let methods = |operations: &Value| operations.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let each = paths.iter().flat_map(|(path, operations)| methods(operations).into_iter().map(move |m| (m, path)));
    let named = each.map(|(method, path)| format!("{} {path}", method.to_uppercase()));
    // Whatever answers to GET answers to HEAD.
    named.flat_map(|name| [name.replace("GET ", "HEAD "), name]).collect()
}

/// The methods that paths answer with anything but 405. HEAD is what GET is.
async fn that_exist(sidecar: &Sidecar, paths: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in paths {
        for method in METHODS.iter().filter(|method| *method != Method::HEAD) {
            if sidecar.send(&Ask::new(method.clone(), *path), None).await.status != 405 {
                found.insert(format!("{method} {path}"));
            }
        }
    }
    found
}
