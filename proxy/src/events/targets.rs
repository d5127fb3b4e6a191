//! [`Targets`]: who may be told. Those of the configuration, and those of the index, whose address and secret are sealed under the key ring.

use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::record;
use crate::config::{Config, EventFormat, EventTarget, PrivateUrl, Secret};
use crate::error::{Code, Error, Result};
use crate::identity::{KeyRing, Purpose, Seal, Sealed};
use crate::index::{Index, StoredEventTarget};
use crate::webhook::{Receiver, check_url};

/// Targets that are read by one round trip.
const BATCH: u32 = 500;

/// Somebody who is told.
#[derive(Debug)]
pub struct Target {
    /// The name.
    pub name: String,
    /// How events are written.
    pub format: EventFormat,
    /// Whether it is told; otherwise events wait.
    pub enabled: bool,
    /// Another with each change; 0: it is of the configuration.
    pub version: i64,
    receiver: Receiver,
}

/// All of them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Targets {
    index: Index,
    ring: Option<Arc<KeyRing>>,
    configured: Arc<[EventTarget]>,
    allowed: Arc<[IpNet]>,
}

/// What is sealed of a target.
#[derive(Serialize, Deserialize)]
struct Private {
    url: String,
    secret: Option<String>,
}

impl Target {
    /// Posts a message.
    /// # Errors
    /// `InternalError`: it was not taken.
    pub(super) async fn post(&self, (content_type, body): record::Message) -> Result<()> {
        self.receiver.post(content_type, body).await
    }

    /// Tells that a bucket will tell it, as S3 does.
    /// # Errors
    /// `InternalError`: it was not taken.
    pub async fn test(&self, bucket: &str, region: &str, request_id: &str) -> Result<()> {
        self.post(record::test_message(bucket, region, request_id, self.format)?).await
    }
}

impl Targets {
    /// Those of a configuration and an index.
    /// # Errors
    /// A key of the ring cannot be used.
    pub fn new(config: &Config, index: &Index) -> Result<Self> {
        let ring = &config.identity.key_ring;
        let ring = if ring.is_empty() { None } else { Some(Arc::new(KeyRing::new(ring, Purpose::EventTarget)?)) };
        let (configured, allowed) = (&config.events.targets, &config.events.allowed_networks);
        Ok(Self { index: index.clone(), ring, configured: configured.clone().into(), allowed: allowed.clone().into() })
    }

    /// The names of those of the configuration.
    #[must_use]
    pub fn configured(&self) -> Vec<String> {
        self.configured.iter().map(|target| target.name.clone()).collect()
    }

    /// One of the configuration.
    #[must_use]
    pub fn of_configuration(&self, name: &str) -> Option<&EventTarget> {
        self.configured.iter().find(|target| target.name == name)
    }

    /// By name.
    /// # Errors
    /// `IndexUnavailable`; `InternalError`: it cannot be opened, or is where nothing may be sent.
    pub async fn find(&self, name: &str) -> Result<Option<Target>> {
        if let Some(target) = self.of_configuration(name) {
            return configured(target).map(Some);
        }
        match self.index.event_target(name).await? {
            Some(row) => self.open(&row).map(Some),
            None => Ok(None),
        }
    }

    /// Those that are to be told, and the names of those that cannot be, with why.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn enabled(&self) -> Result<(Vec<Arc<Target>>, Vec<(String, Error)>)> {
        let (rows, _) = self.index.event_targets("", "", BATCH).await?;
        let rows = rows.iter().filter(|row| row.enabled && self.of_configuration(&row.name).is_none());
        let stored = rows.map(|row| (row.name.as_str(), self.open(row)));
        let all = self.configured.iter().map(|target| (target.name.as_str(), configured(target))).chain(stored);
        let (mut told, mut broken) = (Vec::new(), Vec::new());
        for (name, target) in all {
            match target {
                Ok(target) => told.push(Arc::new(target)),
                Err(error) => broken.push((name.to_owned(), error)),
            }
        }
        Ok((told, broken))
    }

    /// Seals an address and a secret, once they are seen to be such as may be used.
    /// # Errors
    /// `NotImplemented` without a key ring; `InvalidArgument`: the address is none, or is where nothing may be sent.
    pub fn seal(&self, name: &str, url: &PrivateUrl, secret: Option<&Secret>) -> Result<Sealed> {
        let wrong = |text: String| Error::new(Code::InvalidArgument, text).with("field", "url");
        check_url(url).map_err(|text| wrong(format!("url: {text}")))?;
        let text = "The address is not public: the operator may list its network in events.allowed_networks.";
        Receiver::within(url, secret, &self.allowed).map_err(|_| wrong(text.to_owned()))?;
        let private = Private { url: url.expose().to_owned(), secret: secret.map(|secret| secret.expose().to_owned()) };
        let bytes = Zeroizing::new(serde_json::to_vec(&private).map_err(Error::internal)?);
        self.ring()?.seal(&sealed_as(name), &bytes)
    }

    /// Seals anew what is sealed under an older key of the ring; how much it was.
    /// # Errors
    /// `IndexUnavailable`; `InternalError`: some could not be opened. All others are done by then.
    pub async fn reseal(&self) -> Result<u64> {
        let Some(ring) = &self.ring else { return Ok(0) };
        let (current, mut after, mut done, mut failed) = (ring.current(), String::new(), 0, Vec::new());
        loop {
            let rows = self.index.event_targets_sealed_otherwise(&current, &after, BATCH).await?;
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.name);
            for row in rows {
                let id = sealed_as(&row.name);
                match ring.open(&id, &row.sealed).map(Zeroizing::new).and_then(|opened| ring.seal(&id, &opened)) {
                    Ok(new) => {
                        done += u64::from(self.index.reseal_event_target(&row, &new.bytes, &new.ring_key).await?);
                    }
                    Err(_) => failed.push(row.name),
                }
            }
        }
        if failed.is_empty() {
            return Ok(done);
        }
        Err(Error::internal(format!("event targets that no key of the ring opens: {}", failed.join(", "))))
    }

    fn ring(&self) -> Result<&KeyRing> {
        let text = "Event targets need identity.key_ring in the configuration, to be sealed with.";
        self.ring.as_deref().ok_or_else(|| Error::new(Code::NotImplemented, text))
    }

    fn open(&self, row: &StoredEventTarget) -> Result<Target> {
        let opened = Zeroizing::new(self.ring()?.open(&sealed_as(&row.name), &row.sealed)?);
        // What cannot be read is not shown: it is secret.
        let private: Private = serde_json::from_slice(&opened)
            .map_err(|_| Error::internal("what is sealed of an event target is not JSON"))?;
        let (url, secret) = (PrivateUrl::new(private.url), private.secret.map(Secret::new));
        let receiver = Receiver::within(&url, secret.as_ref(), &self.allowed)?;
        let format = EventFormat::parse(&row.format)
            .ok_or_else(|| Error::internal(format!("the index has an event target of the format {:?}", row.format)))?;
        Ok(Target { name: row.name.clone(), format, enabled: row.enabled, version: row.version, receiver })
    }
}

fn configured(target: &EventTarget) -> Result<Target> {
    let receiver = Receiver::new(&target.url, target.secret.as_ref())?;
    Ok(Target { name: target.name.clone(), format: target.format, enabled: true, version: 0, receiver })
}

fn sealed_as(name: &str) -> String {
    format!("event target {name}")
}
