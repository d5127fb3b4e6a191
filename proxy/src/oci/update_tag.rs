//! Moving a tag that exists needs a right of its own, `oci:UpdateTag`: who may add must not thereby replace `latest`.

use http::Method;
use http::request::Parts;
use zas_policy::{Action, Resource};

use super::{Route, asking_about};
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

/// Asks for the right to move each tag that the request would move: that of the path, and those that are set beside a digest.
///
/// Whether a tag exists is asked of the registry, and only for those who may not move it anyway. Two who add the same new tag at
/// once may both be let through: the registry has no conditional push.
///
/// # Errors
/// `AccessDenied` where a tag exists and may not be moved; what the registry's failure means where it cannot be told.
pub(super) async fn check(app: &App, permit: &Permit, route: &Route, tags: &[String], parts: &Parts) -> Result<()> {
    let Route::Manifest { name, .. } = route else { return Ok(()) };
    if parts.method != Method::PUT {
        return Ok(());
    }
    let resource = Resource::repository(name.as_str());
    for tag in tags {
        let caller = asking_about(permit.caller().clone(), route, &parts.headers, Some(tag.as_str()));
        if !app.authority.may(&caller, Action::UpdateTag, &resource)
            && app.store.get_manifest(name.as_str(), tag).await?.is_some()
        {
            app.authority.authorize(&caller, Action::UpdateTag, resource.clone()).await?;
        }
    }
    Ok(())
}
