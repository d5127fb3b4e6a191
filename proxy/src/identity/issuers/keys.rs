//! [`Keys`]: the public keys of one issuer, remembered, and asked for again when they are old or one is not among them.
//!
//! Keys are good for 24 hours while their issuer cannot be reached. An issuer is asked at most every ten seconds whatever keys are
//! named, and by one request at a time: whoever makes up names of keys cannot have it asked more often. A key is refused where it was
//! named before the issuer was last asked, or was withdrawn by then; one that was first named since may be new, and has to wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use moka::sync::Cache;
use tokio::sync::Mutex;

use super::fetch::Source;
use crate::config::TokenAlgorithm::{self, ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
use crate::error::{Code, Error, Result};

/// Keys older than this are asked for again, in the background.
const SOFT: Duration = Duration::from_secs(5 * 60);

/// And these are no longer good.
const HARD: Duration = Duration::from_secs(24 * 3600);

/// The shortest time between two questions.
const PAUSE: Duration = Duration::from_secs(10);

/// Unknown keys that are remembered, and for how long. Beyond that one is new again, which costs its client a pause at the most.
const STRANGERS: u64 = 1_000;
const STRANGE_FOR: Duration = Duration::from_secs(3600);

/// The smallest RSA modulus in bytes (RFC 7518, section 3.3).
const RSA_BYTES: usize = 256;

/// The keys of one issuer. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    issuer: String,
    source: Source,
    state: ArcSwap<State>,
    /// When keys were first named that the issuer did not have.
    strangers: Cache<String, Instant>,
    /// Held while the issuer is asked.
    asking: Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct State {
    keys: Arc<HashMap<String, Vec<Key>>>,
    /// When the keys were asked for that are here.
    fetched: Option<Instant>,
    /// When the issuer was last asked, and whether it answered.
    asked: Option<(Instant, bool)>,
}

/// A key and what it may be used for.
#[derive(Debug, Clone)]
struct Key {
    algorithms: &'static [TokenAlgorithm],
    key: DecodingKey,
}

impl Keys {
    /// Of an issuer; nothing is asked yet.
    pub(super) fn new(issuer: &str, source: Source) -> Self {
        let strangers = Cache::builder().max_capacity(STRANGERS).time_to_live(STRANGE_FOR).build();
        let (issuer, state, asking) = (issuer.to_owned(), ArcSwap::default(), Mutex::default());
        let shared = Shared { issuer, source, state, strangers, asking };
        Self { shared: Arc::new(shared) }
    }

    /// The key of an id, where the issuer has it and it is for this algorithm.
    ///
    /// # Errors
    /// `TokenKeyUnknown`: it may be new, and it is too early to ask the issuer again. `IssuerUnavailable`: it is not known, and the
    /// issuer cannot be asked.
    pub(super) async fn find(&self, kid: &str, alg: TokenAlgorithm) -> Result<Option<DecodingKey>> {
        let state = self.shared.state.load_full();
        if let Some(found) = state.find(kid) {
            if state.age() > SOFT && state.may_ask() {
                self.refresh_in_background();
            }
            return Ok(usable(found, alg));
        }
        let first_named = self.shared.strangers.get_with(kid.to_owned(), Instant::now);
        self.refresh_for(kid).await;
        let state = self.shared.state.load_full();
        match (state.find(kid), state.asked) {
            (Some(found), _) => Ok(usable(found, alg)),
            (None, Some((asked, true))) if first_named <= asked => Ok(None),
            (None, Some((asked, true))) => {
                Err(Error::from(Code::TokenKeyUnknown).retry_after(PAUSE.saturating_sub(asked.elapsed())))
            }
            (None, _) => Err(Error::from(Code::IssuerUnavailable).retry_after(PAUSE)),
        }
    }

    /// Asks, unless that was done a moment ago or somebody else finds the key.
    async fn refresh_for(&self, kid: &str) {
        if !self.shared.state.load().may_ask() {
            return;
        }
        let _asking = self.shared.asking.lock().await;
        let state = self.shared.state.load_full();
        if state.find(kid).is_none() && state.may_ask() {
            self.shared.ask().await;
        }
    }

    /// Asks now.
    pub(super) async fn refresh_now(&self) {
        let _asking = self.shared.asking.lock().await;
        self.shared.ask().await;
    }

    fn refresh_in_background(&self) {
        let keys = self.clone();
        tokio::spawn(async move {
            if let Ok(_asking) = keys.shared.asking.try_lock()
                && keys.shared.state.load().may_ask()
            {
                keys.shared.ask().await;
            }
        });
    }
}

impl Shared {
    async fn ask(&self) {
        let asked = Instant::now();
        let answer = self.source.fetch().await;
        let known = self.state.load_full();
        let state = match answer {
            Ok(jwks) => {
                let keys = read(jwks);
                tracing::debug!(issuer = self.issuer, keys = keys.len(), "the issuer's keys were read");
                for withdrawn in known.keys.keys().filter(|kid| !keys.contains_key(*kid)) {
                    self.strangers.insert(withdrawn.clone(), asked);
                }
                State { keys: Arc::new(keys), fetched: Some(asked), asked: Some((asked, true)) }
            }
            Err(error) => {
                tracing::warn!(issuer = self.issuer, "the issuer's keys could not be read: {error}");
                State { asked: Some((asked, false)), ..State::clone(&known) }
            }
        };
        self.state.store(Arc::new(state));
    }
}

impl State {
    fn age(&self) -> Duration {
        self.fetched.map_or(Duration::MAX, |fetched| fetched.elapsed())
    }

    fn find(&self, kid: &str) -> Option<&[Key]> {
        if self.age() > HARD {
            return None;
        }
        self.keys.get(kid).map(Vec::as_slice)
    }

    fn may_ask(&self) -> bool {
        self.asked.is_none_or(|(asked, _)| asked.elapsed() >= PAUSE)
    }
}

fn usable(keys: &[Key], alg: TokenAlgorithm) -> Option<DecodingKey> {
    keys.iter().find(|key| key.algorithms.contains(&alg)).map(|key| key.key.clone())
}

/// The keys that can verify; others are left out.
fn read(jwks: Vec<Jwk>) -> HashMap<String, Vec<Key>> {
    let mut keys: HashMap<String, Vec<Key>> = HashMap::new();
    for jwk in jwks {
        let algorithms = algorithms(&jwk);
        if let (Some(kid), false, Ok(key)) = (&jwk.common.key_id, algorithms.is_empty(), DecodingKey::from_jwk(&jwk)) {
            keys.entry(kid.clone()).or_default().push(Key { algorithms, key });
        }
    }
    keys
}

/// What a key may be used for: what its kind is able to, its `use` and `key_ops` allow, and its `alg` says.
fn algorithms(jwk: &Jwk) -> &'static [TokenAlgorithm] {
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let verifies = |operations: &Vec<KeyOperations>| operations.contains(&KeyOperations::Verify);
    if !signs || !jwk.common.key_operations.as_ref().is_none_or(verifies) {
        return &[];
    }
    let able: &'static [TokenAlgorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) if rsa.n.len() * 3 / 4 >= RSA_BYTES => {
            &[RS256, RS384, RS512, PS256, PS384, PS512]
        }
        AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
            EllipticCurve::P256 => &[ES256],
            EllipticCurve::P384 => &[ES384],
            _ => &[],
        },
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => &[EdDSA],
        _ => &[],
    };
    let Some(named) = jwk.common.key_algorithm else { return able };
    let only: &'static [TokenAlgorithm] = match named {
        KeyAlgorithm::RS256 => &[RS256],
        KeyAlgorithm::RS384 => &[RS384],
        KeyAlgorithm::RS512 => &[RS512],
        KeyAlgorithm::PS256 => &[PS256],
        KeyAlgorithm::PS384 => &[PS384],
        KeyAlgorithm::PS512 => &[PS512],
        KeyAlgorithm::ES256 => &[ES256],
        KeyAlgorithm::ES384 => &[ES384],
        KeyAlgorithm::EdDSA => &[EdDSA],
        _ => &[],
    };
    if only.iter().all(|one| able.contains(one)) { only } else { &[] }
}
