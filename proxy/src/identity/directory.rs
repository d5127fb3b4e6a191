//! [`Directory`]: the watch over an issuer's people. Whoever owns access keys or sessions here is asked about; whoever is disabled or
//! gone there is revoked as `POST /revocations` does it, and access keys lose the groups and roles that their person has lost.
//!
//! One replica at a time goes round. Nobody is revoked for an error: only for what the realm itself says of the person, and only
//! while it answers sanely and does not say it of many at once. Keys gain nothing here: tokens alone give.
//! What does not live here: what is asked (`keycloak.rs`), and whose turn it is (`index`).

mod keycloak;

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use metrics::{counter, gauge, histogram};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use self::keycloak::{Keycloak, Person};
use super::guarded::FetchError;
use super::{Revocations, longest_credential};
use crate::audit::{Api, Kind, Record};
use crate::config;
use crate::error::{Error, Result};
use crate::index::{Index, Owner, RevocationKind};
use crate::telemetry::names;

/// People that are asked for at once of the index, and of whom so many at once of the realm.
const PAGE: u32 = 100;
const CONCURRENCY: usize = 4;

/// How long a round is nobody else's, from its begin and from each page: as long as a page may take a slow realm.
const LEASE: Duration = Duration::from_secs(60);

/// The pause after a round that failed, at the most.
const RETRY: Duration = Duration::from_secs(5);

/// People in a row that the realm gives no answer about: then it is the realm.
const TROUBLES: usize = 10;

/// The directory of one issuer.
#[derive(Debug)]
pub struct Directory {
    issuer: config::Issuer,
    config: config::Directory,
    keycloak: Keycloak,
    index: Index,
    revocations: Option<Revocations>,
    /// For how long anything can be good that was issued until now.
    longest: time::Duration,
}

/// What one round found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// People who were asked about.
    pub asked: usize,
    /// Those who were revoked.
    pub revoked: usize,
    /// Those whose access keys lost something.
    pub followed: usize,
    /// Those whom the realm gave no answer about.
    pub failed: usize,
    /// Whether more were found disabled or gone than may be, so that none was revoked.
    pub is_refused: bool,
}

/// What is found in the course of a round.
#[derive(Default)]
struct Found {
    round: Round,
    left: Vec<(String, Person)>,
    in_a_row: usize,
}

impl Directory {
    /// Those that are configured. Nobody is asked yet.
    ///
    /// # Errors
    /// An issuer's certificates cannot be read.
    pub fn of(issuers: &[config::Issuer], index: &Index, revocations: Option<&Revocations>) -> Result<Vec<Self>> {
        let longest = longest_credential(issuers);
        let watched = issuers.iter().filter_map(|one| Some((one, one.directory.as_ref()?, one.client.as_ref()?)));
        let new = |(issuer, config, client): (&config::Issuer, &config::Directory, &config::IssuerClient)| {
            Ok(Self {
                issuer: issuer.clone(),
                config: config.clone(),
                keycloak: Keycloak::new(issuer, config, client)?,
                index: index.clone(),
                revocations: revocations.cloned(),
                longest,
            })
        };
        watched.map(new).collect()
    }

    /// Goes round whenever one is due, until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let rounds = async {
            loop {
                tokio::time::sleep(self.turn().await).await;
            }
        };
        tokio::select! {
            () = rounds => {}
            () = stop.cancelled() => {}
        }
    }

    /// A round where one is due; and how long to wait then.
    async fn turn(&self) -> Duration {
        let retry = RETRY.min(self.config.interval);
        let name = self.issuer.name.as_str();
        match self.index.claim_directory_round(name, LEASE).await {
            // Another replica may fail: look again no later than usual.
            Ok(Some(wait)) => return wait.min(self.config.interval),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(issuer = name, "the directory was not asked: {}", error.for_log());
                return retry;
            }
        }
        let begun = Instant::now();
        let round = self.round().await;
        let took = begun.elapsed();
        let is_good = self.report(round, took);
        let wait = if is_good { self.config.interval.saturating_sub(took) } else { retry };
        if let Err(error) = self.index.put_off_directory_round(name, wait).await {
            tracing::warn!(issuer = name, "the directory is asked later: {}", error.for_log());
        }
        wait
    }

    /// Says how a round went; whether it was good.
    fn report(&self, round: Result<Round>, took: Duration) -> bool {
        let issuer = self.issuer.name.clone();
        let (outcome, is_good) = match &round {
            Err(error) => {
                tracing::error!(issuer, "the directory was not asked to the end: {}", error.for_log());
                ("error", false)
            }
            Ok(round) if round.is_refused => ("refused", true),
            Ok(round) if round.failed > 0 => ("incomplete", true),
            Ok(_) => ("ok", true),
        };
        if let Ok(round) = round {
            if round.revoked + round.followed + round.failed > 0 {
                tracing::warn!(issuer, ?round, "the directory has news");
            }
            counter!(names::DIRECTORY_REVOKED, "issuer" => issuer.clone())
                .increment(u64::try_from(round.revoked).unwrap_or(u64::MAX));
        }
        if outcome == "ok" {
            let now = OffsetDateTime::now_utc().unix_timestamp() as f64;
            gauge!(names::DIRECTORY_CONFIRMED, "issuer" => issuer.clone()).set(now);
        }
        if took > self.config.interval {
            tracing::warn!(issuer, ?took, "going round the directory takes longer than its interval");
        }
        histogram!(names::DIRECTORY_SECONDS, "issuer" => issuer.clone()).record(took.as_secs_f64());
        counter!(names::DIRECTORY_ROUNDS, "issuer" => issuer, "outcome" => outcome).increment(1);
        is_good
    }

    /// Asks about everybody who owns something, and acts on it.
    ///
    /// # Errors
    /// `IssuerUnavailable`: the realm does not answer as it should; `IndexUnavailable`. What it has said of people until then stands.
    pub async fn round(&self) -> Result<Round> {
        self.keycloak.check().await.map_err(away)?;
        let mut found = Found::default();
        let asked = self.ask_about_all(&mut found).await;
        let round = self.revoke(found).await?;
        asked.map(|()| round)
    }

    async fn ask_about_all(&self, found: &mut Found) -> Result<()> {
        let mut after = None;
        loop {
            self.index.put_off_directory_round(&self.issuer.name, LEASE).await?;
            let page = self.index.owners(&self.issuer.name, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.subject.clone());
            self.ask_about(page, found).await?;
        }
    }

    async fn ask_about(&self, page: Vec<Owner>, found: &mut Found) -> Result<()> {
        let asked = page.into_iter().map(|owner| async move {
            let answer = self.look_at(&owner).await;
            (owner.subject, answer)
        });
        let mut answers = stream::iter(asked).buffer_unordered(CONCURRENCY);
        while let Some((subject, answer)) = answers.next().await {
            found.round.asked += 1;
            found.in_a_row = if answer.is_err() { found.in_a_row + 1 } else { 0 };
            match answer {
                Ok((Person::Enabled, followed)) => found.round.followed += usize::from(followed),
                Ok((person, _)) => found.left.push((subject, person)),
                Err(error) => {
                    found.round.failed += 1;
                    tracing::warn!(subject, "the directory gave no answer: {}", error.for_log());
                    if found.in_a_row >= TROUBLES {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// What the realm says of a person, and whether access keys have lost something by it.
    async fn look_at(&self, owner: &Owner) -> Result<(Person, bool)> {
        let asked_at = OffsetDateTime::now_utc();
        let id = owner.subject.strip_prefix(&format!("{}/", self.issuer.name)).unwrap_or_default();
        let person = self.keycloak.person(id).await.map_err(away)?;
        if person != Person::Enabled || !owner.has_keys {
            return Ok((person, false));
        }
        let groups = match self.config.groups {
            true => Some(self.keycloak.groups(id).await.map_err(away)?),
            false => None,
        };
        let roles = match self.config.roles {
            true => Some(self.keycloak.roles(id, &self.config.clients).await.map_err(away)?),
            false => None,
        };
        let groups = groups.map(|names| self.prefixed(names));
        let roles = roles.map(|names| {
            // Rules give roles for claims that only tokens have: those stay until a token takes them.
            let ruled = self.issuer.role_rules.iter().map(|rule| rule.role.clone());
            self.prefixed(names).into_iter().chain(ruled).collect::<Vec<_>>()
        });
        let record = self.record("FollowDirectory", &owner.subject);
        let (roles, groups) = (roles.as_deref(), groups.as_deref());
        Ok((person, self.index.follow_directory(&owner.subject, roles, groups, asked_at, &[record]).await?))
    }

    /// Names of the realm as policies have them.
    fn prefixed(&self, names: Vec<String>) -> Vec<String> {
        let prefix = self.issuer.prefix();
        names.into_iter().map(|name| format!("{prefix}{name}")).collect()
    }

    /// Revokes those who have left, unless they are too many to be believed.
    async fn revoke(&self, found: Found) -> Result<Round> {
        let Found { mut round, left, .. } = found;
        let issuer = self.issuer.name.as_str();
        if left.len() > usize::try_from(self.config.revoke_at_most).unwrap_or(usize::MAX) {
            tracing::error!(
                issuer,
                left = left.len(),
                "the directory has more people disabled or gone than directory.revoke_at_most: nobody is revoked"
            );
            round.is_refused = true;
            return Ok(round);
        }
        let (gone, disabled): (Vec<_>, Vec<_>) = left.into_iter().partition(|(_, person)| *person == Person::Gone);
        for (subject, _) in disabled {
            self.revoke_one(&subject, "disabled at the issuer").await?;
            round.revoked += 1;
        }
        // The realm may have been emptied while we went round.
        if !gone.is_empty() {
            self.keycloak.check().await.map_err(away)?;
        }
        for (subject, _) in gone {
            self.revoke_one(&subject, "gone at the issuer").await?;
            round.revoked += 1;
        }
        if round.revoked > 0
            && let Some(revocations) = &self.revocations
        {
            revocations.refresh(&self.index).await?;
        }
        Ok(round)
    }

    async fn revoke_one(&self, subject: &str, reason: &str) -> Result<()> {
        let record = self.record("RevokeByDirectory", subject).note(reason.to_owned());
        let (expires_at, by) = (OffsetDateTime::now_utc() + self.longest, format!("directory/{}", self.issuer.name));
        self.index.revoke(RevocationKind::Subject, subject, expires_at, reason, &by, &[record]).await
    }

    fn record(&self, action: &str, subject: &str) -> Record {
        Record::new(Kind::Operation).api(Api::System).action(action).issuer(&self.issuer.name).reference(subject)
    }
}

fn away(error: FetchError) -> Error {
    Error::from(crate::error::Code::IssuerUnavailable).detail(error)
}

#[cfg(test)]
mod tests;
