//! [`Rates`]: how much one address, and one principal, may ask for (GCRA, by `governor`). Counted by each replica for itself.
//!
//! Wrong credentials and requests for tokens are counted by address, everything that was allowed by principal and kind of operation,
//! and what was denied by principal, apart from that: neither takes the other's place. All who are nobody count by address too.
//! Addresses of IPv6 count by their network (/64), for that is what one customer has.
//! What does not live here: connections and requests at once (`listener`).

mod counts;

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{Quota, RateLimiter};
use moka::sync::Cache;
use zas_policy::{Action, Principal};

use self::counts::Counts;
use crate::config;
use crate::error::{Code, Error, Result};
use crate::telemetry::names;

/// Whoever is counted at the most, by each rate; beyond it strangers share a count.
const MOST: usize = 100_000;

/// How often those are forgotten who have not come for a while: every so many requests.
const UPKEEP: u32 = 4096;

/// The shortest time that an address is not listened to.
const SHORTEST_BLOCK: Duration = Duration::from_secs(1);

/// The rates of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rates {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    failures: Rate,
    tokens: Rate,
    denials: Rate,
    lists: Rate,
    reads: Rate,
    writes: Rate,
    /// Addresses that are not listened to, and until when.
    blocked: Cache<IpAddr, Instant>,
    hasher: RandomState,
}

/// One rate, by key; none where it is switched off.
#[derive(Debug)]
struct Rate {
    name: &'static str,
    limiter: Option<RateLimiter<u64, Counts, DefaultClock>>,
    clock: DefaultClock,
    asked: AtomicU32,
}

/// Kinds of operations that have rates of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    List,
    Read,
    Write,
}

impl Rates {
    /// By configuration.
    #[must_use]
    pub fn new(config: &config::Rates) -> Self {
        let shared = Shared {
            failures: Rate::new("failures", config.failures_per_minute, Quota::per_minute),
            tokens: Rate::new("tokens", config.tokens_per_minute, Quota::per_minute),
            denials: Rate::new("denials", config.denials_per_minute, Quota::per_minute),
            lists: Rate::new("lists", config.lists_per_second, Quota::per_second),
            reads: Rate::new("reads", config.reads_per_second, Quota::per_second),
            writes: Rate::new("writes", config.writes_per_second, Quota::per_second),
            blocked: Cache::builder().max_capacity(MOST as u64).time_to_live(Duration::from_secs(60)).build(),
            hasher: RandomState::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Whether an address is listened to.
    ///
    /// # Errors
    /// `RateExceeded`: it has shown too many wrong credentials.
    pub fn check_address(&self, address: IpAddr) -> Result<()> {
        let until = self.shared.blocked.get(&network(address));
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            Some(left) if !left.is_zero() => Err(exceeded("failures", left)),
            _ => Ok(()),
        }
    }

    /// Counts wrong credentials.
    pub fn failed(&self, address: IpAddr) {
        let network = network(address);
        if let Err(wait) = self.shared.failures.check(self.key(&network)) {
            self.shared.blocked.insert(network, Instant::now() + wait.max(SHORTEST_BLOCK));
        }
    }

    /// Counts a request for a token or a session.
    ///
    /// # Errors
    /// `RateExceeded`.
    pub fn check_token_request(&self, address: IpAddr) -> Result<()> {
        let rate = &self.shared.tokens;
        rate.check(self.key(&network(address))).map_err(|wait| exceeded(rate.name, wait))
    }

    /// Counts something that a principal may do, who asks from this address.
    ///
    /// # Errors
    /// `RateExceeded`.
    pub fn check_principal(&self, principal: &Principal, address: Option<IpAddr>, action: Action) -> Result<()> {
        let rate = match Class::of(action) {
            Class::List => &self.shared.lists,
            Class::Read => &self.shared.reads,
            Class::Write => &self.shared.writes,
        };
        rate.check(self.key_of(principal, address)).map_err(|wait| exceeded(rate.name, wait))
    }

    /// Counts something that a principal may not do, who asks from this address.
    ///
    /// # Errors
    /// `DeniedTooOften`: it asks so often for what it may not do that not each refusal can have its record.
    pub fn check_denial(&self, principal: &Principal, address: Option<IpAddr>) -> Result<()> {
        let rate = &self.shared.denials;
        rate.check(self.key_of(principal, address)).map_err(|wait| {
            metrics::counter!(names::RATE_EXCEEDED, "rate" => rate.name).increment(1);
            Error::from(Code::DeniedTooOften).retry_after(wait)
        })
    }

    /// What a principal is counted by.
    fn key_of(&self, principal: &Principal, address: Option<IpAddr>) -> u64 {
        match (principal, address) {
            (Principal::Root { access_key_id }, _) => self.key(access_key_id),
            (Principal::Identity(identity), _) => self.key(&identity.id),
            (Principal::Anonymous, Some(address)) => self.key(&network(address)),
            (Principal::Anonymous, None) => 0,
        }
    }

    fn key(&self, what: &(impl Hash + ?Sized)) -> u64 {
        self.shared.hasher.hash_one(what)
    }
}

impl Rate {
    fn new(name: &'static str, rate: u32, quota: fn(NonZeroU32) -> Quota) -> Self {
        Self::of_at_most(MOST, name, rate, quota)
    }

    fn of_at_most(most: usize, name: &'static str, rate: u32, quota: fn(NonZeroU32) -> Quota) -> Self {
        let limiter = NonZeroU32::new(rate).map(|rate| {
            let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(1));
            RateLimiter::new(quota(rate).allow_burst(burst), Counts::at_most(most), DefaultClock::default())
        });
        Self { name, limiter, clock: DefaultClock::default(), asked: AtomicU32::new(0) }
    }

    /// Counts one; how long to wait where it is too many.
    fn check(&self, key: u64) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(UPKEEP) {
            limiter.retain_recent();
        }
        limiter.check_key(&key).map_err(|denied| denied.wait_time_from(self.clock.now()))
    }
}

impl Class {
    fn of(action: Action) -> Self {
        let name = action.as_str().split_once(':').map_or("", |(_, name)| name);
        let begins = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
        if begins(&["List", "Catalog"]) {
            Self::List
        } else if begins(&["Get", "Head", "Pull", "Read", "Query", "Explain", "Verify", "Export", "Search"]) {
            Self::Read
        } else {
            Self::Write
        }
    }
}

fn exceeded(rate: &'static str, wait: Duration) -> Error {
    metrics::counter!(names::RATE_EXCEEDED, "rate" => rate).increment(1);
    Error::from(Code::RateExceeded).retry_after(wait)
}

/// What one customer has: an address of version 4, a /64 of version 6.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & (u128::MAX << 64)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zas_policy::Identity;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn user(id: &str) -> Principal {
        Principal::identity(Identity { id: id.into(), ..Identity::default() })
    }

    #[test]
    fn an_address_with_too_many_wrong_credentials_is_not_listened_to_and_others_are() {
        let rates = Rates::new(&config::Rates { failures_per_minute: 5, ..config::Rates::default() });
        for _ in 0..10 {
            rates.failed(ip("192.0.2.1"));
            rates.check_address(ip("192.0.2.1")).unwrap();
        }
        rates.failed(ip("192.0.2.1"));
        let error = rates.check_address(ip("192.0.2.1")).unwrap_err();
        assert_eq!((error.code(), error.retry_after_seconds() >= Some(1)), (Code::RateExceeded, true));
        rates.check_address(ip("192.0.2.2")).unwrap();
        assert!(rates.check_address(ip("::ffff:192.0.2.1")).is_err());
    }

    #[test]
    fn a_network_of_version_6_is_one_customer() {
        assert_eq!(network(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
        assert_ne!(network(ip("2001:db8:1:2::1")), network(ip("2001:db8:1:3::1")));
    }

    #[test]
    fn each_principal_and_each_kind_of_operation_has_its_own() {
        let rates = Rates::new(&config::Rates { lists_per_second: 2, ..config::Rates::default() });
        let list = |user: &Principal| rates.check_principal(user, None, Action::ListBucket).is_ok();
        let alice = user("kc/alice");
        assert_eq!((0..10).filter(|_| list(&alice)).count(), 4, "the rate, twice at once");
        assert!(list(&user("kc/bob")));
        rates.check_principal(&alice, None, Action::GetObject).unwrap();
        rates.check_principal(&alice, None, Action::PutObject).unwrap();
        for (action, class) in [
            (Action::Catalog, Class::List),
            (Action::ListTags, Class::List),
            (Action::Pull, Class::Read),
            (Action::GetObject, Class::Read),
            (Action::Push, Class::Write),
            (Action::DeleteObject, Class::Write),
        ] {
            assert_eq!(Class::of(action), class, "{action}");
        }
    }

    #[test]
    fn denials_and_what_is_allowed_do_not_take_each_others_place() {
        let config = config::Rates { denials_per_minute: 3, writes_per_second: 2, ..config::Rates::default() };
        let rates = Rates::new(&config);
        let (alice, bob) = (user("kc/alice"), user("kc/bob"));
        let denied = |who: &Principal| rates.check_denial(who, Some(ip("192.0.2.1")));
        let put = |who: &Principal| rates.check_principal(who, Some(ip("192.0.2.1")), Action::PutObject);
        assert_eq!((0..20).filter(|_| denied(&alice).is_ok()).count(), 6, "the rate, twice at once");
        let error = denied(&alice).unwrap_err();
        assert_eq!((error.code(), error.retry_after_seconds() >= Some(1)), (Code::DeniedTooOften, true));
        put(&alice).unwrap();
        denied(&bob).unwrap();
        while put(&bob).is_ok() {}
        denied(&bob).unwrap();
    }

    #[test]
    fn nobody_counts_by_address_and_somebody_from_wherever_they_ask() {
        let rates = Rates::new(&config::Rates { lists_per_second: 1, ..config::Rates::default() });
        let list = |who: &Principal, from: &str| rates.check_principal(who, Some(ip(from)), Action::ListBucket).is_ok();
        while list(&Principal::Anonymous, "192.0.2.1") {}
        assert!(list(&Principal::Anonymous, "192.0.2.2"));
        while list(&Principal::Anonymous, "2001:db8::1") {}
        assert!(!list(&Principal::Anonymous, "2001:db8::2") && list(&Principal::Anonymous, "2001:db8:0:1::1"));
        let alice = user("kc/alice");
        while list(&alice, "192.0.2.3") {}
        assert!(!list(&alice, "192.0.2.4"));
    }

    #[test]
    fn beyond_the_most_that_are_counted_strangers_share_a_count_and_whoever_is_known_keeps_their_own() {
        let rate = Rate::of_at_most(3, "test", 1, Quota::per_minute);
        let passed = |key: u64| (0..10).filter(|_| rate.check(key).is_ok()).count();
        assert_eq!([1, 2].map(passed), [2, 2], "the rate, twice at once");
        rate.check(3).unwrap();
        assert_eq!((4..100).map(passed).sum::<usize>(), 2, "all of them together");
        rate.check(3).unwrap();
        assert!(rate.check(3).is_err() && rate.check(1).is_err());
        let length = rate.limiter.as_ref().unwrap().len();
        assert!(length <= 4, "{length}");
    }

    #[test]
    fn a_rate_of_nothing_is_switched_off() {
        let rates = Rates::new(&config::Rates { tokens_per_minute: 0, ..config::Rates::default() });
        assert!((0..10_000).all(|_| rates.check_token_request(ip("192.0.2.1")).is_ok()));
        let rates = Rates::new(&config::Rates { tokens_per_minute: 10, ..config::Rates::default() });
        assert_eq!((0..100).filter(|_| rates.check_token_request(ip("192.0.2.1")).is_ok()).count(), 20);
    }
}
