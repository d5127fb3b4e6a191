//! Connections at once, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts open connections and says when there are too many.
#[derive(Debug)]
pub(super) struct Slots {
    total_max: u32,
    address_max: u32,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: u32,
    by_address: HashMap<IpAddr, u32>,
}

/// Why a connection was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Total,
    Address,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    address: IpAddr,
}

impl Slots {
    pub(super) fn new(total_max: u32, address_max: u32) -> Arc<Self> {
        Arc::new(Self { total_max, address_max, open: Mutex::default() })
    }

    /// A place for a connection from `address`. IPv4 addresses in IPv6 clothes count as what they are.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Slot, Full> {
        let address = address.to_canonical();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.total_max {
            return Err(Full::Total);
        }
        let from_address = open.by_address.entry(address).or_default();
        if *from_address >= self.address_max {
            return Err(Full::Address);
        }
        *from_address += 1;
        open.total += 1;
        Ok(Slot { slots: Arc::clone(self), address })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total = open.total.saturating_sub(1);
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn one_address_cannot_take_every_slot() {
        let slots = Slots::new(3, 2);
        let _held = [slots.take(A).unwrap(), slots.take(A).unwrap()];
        assert_eq!(slots.take(A).unwrap_err(), Full::Address);
        assert!(slots.take(B).is_ok());
    }

    #[test]
    fn a_closed_connection_gives_its_slot_back_and_leaves_no_trace() {
        let slots = Slots::new(1, 1);
        let held = slots.take(A).unwrap();
        assert_eq!(slots.take(B).unwrap_err(), Full::Total);
        drop(held);
        drop(slots.take(B).unwrap());
        assert!(slots.open.lock().unwrap().by_address.is_empty());
    }

    #[test]
    fn a_mapped_address_counts_as_the_ipv4_address_it_is() {
        let slots = Slots::new(9, 1);
        let _held = slots.take(A).unwrap();
        assert_eq!(slots.take("::ffff:10.0.0.1".parse().unwrap()).unwrap_err(), Full::Address);
    }
}
