//! One component against a policy.

use spdx::LicenseReq;
use time::OffsetDateTime;

use super::evidence::{Basis, Decision, Evidence, ExceptionUsed, Reason};
use super::pattern::{Fit, LicencePattern};
use super::policy::{Claims, LicencePolicy, Treatment};
use crate::supply_chain::sbom::{Component, Licence};

/// What becomes of a component, with evidence where it is not simply allowed: that of the claim that came off worst.
pub(super) fn weigh(
    component: &Component,
    policy: &LicencePolicy,
    now: OffsetDateTime,
) -> (Decision, Option<Evidence>) {
    let claims = claims(component, policy.claims);
    let mut worst: Option<Evidence> = None;
    for (licence, basis) in claims {
        let mut evidence = Evidence::new(component, licence.map(Licence::as_str).unwrap_or_default(), basis);
        (evidence.decision, evidence.reasons) = weigh_claim(licence, policy);
        if evidence.decision == Decision::Denied {
            except(&mut evidence, component, licence, policy, now);
        }
        if worst.as_ref().is_none_or(|worst| evidence.decision > worst.decision) {
            worst = Some(evidence);
        }
    }
    let decision = worst.as_ref().map_or(Decision::Allowed, |evidence| evidence.decision);
    (decision, worst.filter(|evidence| evidence.decision != Decision::Allowed))
}

/// What counts: each claim must pass. `None` where nothing is said.
fn claims(component: &Component, which: Claims) -> Vec<(Option<&Licence>, Basis)> {
    let declared = said(&component.declared, Basis::Declared);
    let concluded = said(&component.concluded, Basis::Concluded);
    let chosen = match which {
        Claims::Both => concluded.into_iter().chain(declared).collect(),
        Claims::Concluded if concluded.is_empty() => declared,
        Claims::Concluded => concluded,
        Claims::Declared if declared.is_empty() => concluded,
        Claims::Declared => declared,
    };
    if chosen.is_empty() { vec![(None, Basis::Nothing)] } else { chosen }
}

/// The claims that say something.
fn said(licences: &[Licence], basis: Basis) -> Vec<(Option<&Licence>, Basis)> {
    let said = licences.iter().filter(|licence| **licence != Licence::NoAssertion);
    said.map(|licence| (Some(licence), basis)).collect()
}

fn weigh_claim(licence: Option<&Licence>, policy: &LicencePolicy) -> (Decision, Vec<Reason>) {
    match licence {
        None | Some(Licence::NoAssertion) => treat(policy.undeclared, Reason::Undeclared),
        Some(Licence::None) => treat(policy.none, Reason::NoLicence),
        Some(Licence::Named(name)) => weigh_name(name, policy),
        Some(Licence::Expression(text)) => match super::parse(text) {
            Ok(expression) => weigh_expression(&expression, policy),
            // An identifier of a newer list than ours is a name.
            Err(_) => weigh_name(text, policy),
        },
    }
}

fn weigh_name(name: &str, policy: &LicencePolicy) -> (Decision, Vec<Reason>) {
    if let Some(entry) = policy.deny.iter().find(|entry| entry.fits_name(name)) {
        return (Decision::Denied, vec![Reason::DenyList { licence: name.to_owned(), entry: entry.to_string() }]);
    }
    if policy.allow.iter().any(|entry| entry.fits_name(name)) {
        return (Decision::Allowed, Vec::new());
    }
    treat(policy.unreadable, Reason::Unreadable)
}

fn weigh_expression(expression: &spdx::Expression, policy: &LicencePolicy) -> (Decision, Vec<Reason>) {
    let mut reasons = Vec::new();
    let passed = expression.evaluate(|licence| match refuse(licence, policy) {
        None => true,
        Some(reason) => {
            reasons.push(reason);
            false
        }
    });
    if !passed {
        return (Decision::Denied, reasons);
    }
    let deprecated = expression.requirements().find(|requirement| is_deprecated(&requirement.req));
    match deprecated.filter(|_| policy.deprecated == Treatment::Warn) {
        Some(licence) => (Decision::Warned, vec![Reason::Deprecated { licence: licence.req.to_string() }]),
        None => (Decision::Allowed, Vec::new()),
    }
}

/// Why one licence of an expression is not acceptable.
fn refuse(licence: &LicenseReq, policy: &LicencePolicy) -> Option<Reason> {
    let name = || licence.to_string();
    if policy.deprecated == Treatment::Deny && is_deprecated(licence) {
        return Some(Reason::Deprecated { licence: name() });
    }
    let denied = best(&policy.deny, |entry| entry.fit(licence));
    let allowed =
        best(&policy.allow, |entry| entry.fit(licence).or_else(|| entry.is_later(licence).then_some(Fit::Loose)));
    match (denied, allowed) {
        (Some((_, deny)), Some((_, allow))) if allow > deny => None,
        (Some((entry, _)), _) => Some(Reason::DenyList { licence: name(), entry: entry.to_string() }),
        (None, Some(_)) => None,
        (None, None) if policy.allow.is_empty() => None,
        (None, None) => Some(Reason::NotOnAllowList { licence: name() }),
    }
}

fn best(entries: &[LicencePattern], fit: impl Fn(&LicencePattern) -> Option<Fit>) -> Option<(&LicencePattern, Fit)> {
    entries.iter().filter_map(|entry| Some((entry, fit(entry)?))).max_by_key(|(_, fit)| *fit)
}

fn is_deprecated(licence: &LicenseReq) -> bool {
    licence.license.id().is_some_and(spdx::LicenseId::is_deprecated)
        || licence.addition.as_ref().and_then(spdx::AdditionItem::id).is_some_and(spdx::ExceptionId::is_deprecated)
}

fn treat(treatment: Treatment, reason: Reason) -> (Decision, Vec<Reason>) {
    match treatment {
        Treatment::Allow => (Decision::Allowed, Vec::new()),
        Treatment::Warn => (Decision::Warned, vec![reason]),
        Treatment::Deny => (Decision::Denied, vec![reason]),
    }
}

/// Lets a denied component pass by an exception that still holds; names one that has ended, so that it is clear what changed.
fn except(
    evidence: &mut Evidence,
    component: &Component,
    licence: Option<&Licence>,
    policy: &LicencePolicy,
    now: OffsetDateTime,
) {
    let Some(purl) = &component.purl else { return };
    let fits = policy
        .exceptions
        .iter()
        .filter(|exception| exception.purl.matches(purl) && covers(&exception.licences, licence, policy));
    for exception in fits {
        let expired = exception.expires_at <= now;
        evidence.exception = Some(ExceptionUsed {
            purl: exception.purl.to_string(),
            reason: exception.reason.clone(),
            expires_at: exception.expires_at,
            expired,
        });
        if !expired {
            evidence.decision = Decision::Excepted;
            return;
        }
    }
}

/// Whether an exception is for what a claim says: with these licences let pass besides, it would.
fn covers(licences: &[LicencePattern], claim: Option<&Licence>, policy: &LicencePolicy) -> bool {
    if licences.is_empty() {
        return true;
    }
    let Some(text) = claim.map(Licence::as_str) else { return false };
    match super::parse(text) {
        Ok(expression) => expression.evaluate(|licence| {
            refuse(licence, policy).is_none() || licences.iter().any(|entry| entry.fit(licence).is_some())
        }),
        Err(_) => licences.iter().any(|entry| entry.fits_name(text)),
    }
}
