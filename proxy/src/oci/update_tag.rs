//! Moving a tag that exists needs a right of its own, `oci:UpdateTag`: who may add must not thereby replace `latest`.

use http::Method;
use zas_policy::{Action, Resource};

use super::{Reference, Route};
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

/// Asks for the right to move a tag, where the request would move one.
///
/// Whether the tag exists is asked of the registry, and only for those who may not move tags anyway. Two who add the same new tag at
/// once may both be let through: the registry has no conditional push.
///
/// # Errors
/// `AccessDenied` where the tag exists and may not be moved; what the registry's failure means where it cannot be told.
pub(super) async fn check(app: &App, permit: &Permit, route: &Route, method: &Method) -> Result<()> {
    let Route::Manifest { name, reference: Reference::Tag(tag) } = route else { return Ok(()) };
    let resource = Resource::repository(name.as_str());
    if *method != Method::PUT || app.authority.may(permit.caller(), Action::UpdateTag, &resource) {
        return Ok(());
    }
    if app.store.get_manifest(name.as_str(), tag).await?.is_none() {
        return Ok(());
    }
    app.authority.authorize(permit.caller(), Action::UpdateTag, resource).await.map(drop)
}
