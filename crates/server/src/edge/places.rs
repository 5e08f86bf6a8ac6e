//! Places at the door. Whoever is not known yet has a place among the pending, which never makes anybody wait: when there is no
//! more room, the address that has most of them loses its oldest. A connection gets a place of its own once it is known whose it
//! is; of those an address and a caller have only so many.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use access::Caller;
use tokio_util::sync::CancellationToken;

/// Who is counted as one at the far end: an IPv4 address, or the network of 64 bits that one subscriber is given in IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
            v4 => v4,
        })
    }
}

/// The next number, and what is pending by number.
type Numbered = (u64, BTreeMap<u64, (Network, CancellationToken)>);

/// Connections of which nobody knows yet whose they are.
#[derive(Debug)]
pub(crate) struct Pending {
    most: usize,
    /// In the order they came.
    all: Mutex<Numbered>,
}

/// A place among them; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct PendingPlace {
    number: u64,
    cut: CancellationToken,
    pending: Arc<Pending>,
}

impl Pending {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, all: Mutex::default() })
    }

    /// Never waits and never refuses: somebody else may be cut for it.
    pub(crate) fn enter(self: &Arc<Self>, from: Network) -> PendingPlace {
        let (mut all, cut) = (lock(&self.all), CancellationToken::new());
        let (next, held) = &mut *all;
        if held.len() >= self.most {
            let mut counted: HashMap<Network, usize> = HashMap::new();
            for (network, _) in held.values() {
                *counted.entry(*network).or_default() += 1;
            }
            let most = counted.values().copied().max();
            // Of several that have as many, the one whose oldest is oldest.
            let oldest = held.iter().find(|(_, (network, _))| counted.get(network).copied() == most).map(|(number, _)| *number);
            if let Some((_, cut)) = oldest.and_then(|number| held.remove(&number)) {
                cut.cancel();
            }
        }
        let number = *next;
        *next += 1;
        held.insert(number, (from, cut.clone()));
        PendingPlace { number, cut, pending: self.clone() }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        lock(&self.all).1.len()
    }
}

impl PendingPlace {
    /// Returns once somebody else has the place.
    pub(crate) async fn cut(&self) {
        self.cut.cancelled().await;
    }
}

impl Drop for PendingPlace {
    fn drop(&mut self) {
        lock(&self.pending.all).1.remove(&self.number);
    }
}

/// How many connections may be open at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlaceLimits {
    pub(crate) all: usize,
    pub(crate) per_address: usize,
    pub(crate) per_caller: usize,
}

impl PlaceLimits {
    pub(crate) fn of(config: &crate::config::Config) -> Self {
        Self {
            all: config.max_connections,
            per_address: config.max_connections_per_address,
            per_caller: config.callers.connections as usize,
        }
    }
}

/// Which of the limits is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    All,
    Address,
    Caller,
}

impl Full {
    /// As the other end is told.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::All => "the server has as many connections as it may",
            Self::Address => "too many connections from this address",
            Self::Caller => "too many connections of this caller",
        }
    }
}

/// Connections of which it is known whose they are.
#[derive(Debug)]
pub(crate) struct Places {
    limits: Mutex<PlaceLimits>,
    held: Mutex<SlotsTaken>,
}

#[derive(Debug, Default)]
struct SlotsTaken {
    all: usize,
    addresses: HashMap<Network, usize>,
    /// `None`: those whose certificates name nobody.
    callers: HashMap<Option<Arc<Caller>>, usize>,
}

/// The place of an open connection; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    from: Network,
    caller: Option<Arc<Caller>>,
    places: Arc<Places>,
}

impl Places {
    pub(crate) fn new(limits: PlaceLimits) -> Arc<Self> {
        Arc::new(Self { limits: Mutex::new(limits), held: Mutex::default() })
    }

    /// Holds for the next connection; those that are open stay.
    pub(crate) fn set_limits(&self, limits: PlaceLimits) {
        *lock(&self.limits) = limits;
    }

    pub(crate) fn take(self: &Arc<Self>, from: Network, caller: Option<Arc<Caller>>) -> Result<Slot, Full> {
        let limits = *lock(&self.limits);
        let mut held = lock(&self.held);
        let of_address = held.addresses.get(&from).copied().unwrap_or_default();
        let of_caller = held.callers.get(&caller).copied().unwrap_or_default();
        // The narrowest first: it is what the other end can do something about.
        if of_caller >= limits.per_caller {
            return Err(Full::Caller);
        } else if of_address >= limits.per_address {
            return Err(Full::Address);
        } else if held.all >= limits.all {
            return Err(Full::All);
        }
        held.all += 1;
        *held.addresses.entry(from).or_default() += 1;
        *held.callers.entry(caller.clone()).or_default() += 1;
        Ok(Slot { from, caller, places: self.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut held = lock(&self.places.held);
        held.all = held.all.saturating_sub(1);
        give_back(&mut held.addresses, &self.from);
        give_back(&mut held.callers, &self.caller);
    }
}

fn give_back<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse::<IpAddr>().unwrap().into()
    }

    fn caller(name: &str) -> Option<Arc<Caller>> {
        Some(Arc::new(Caller::from_uri(&format!("sightline://a/operator/{name}")).unwrap()))
    }

    #[test]
    fn the_address_that_has_most_pending_places_loses_its_oldest_and_nobody_waits() {
        let pending = Pending::new(4);
        let lone = pending.enter(network("192.0.2.1"));
        let flood: Vec<_> = (0..20).map(|_| pending.enter(network("192.0.2.2"))).collect();
        assert!(!lone.cut.is_cancelled(), "an address with one place lost it to one with many");
        let cut = flood.iter().map(|p| p.cut.is_cancelled()).collect::<Vec<_>>();
        assert_eq!(cut, [vec![true; 17], vec![false; 3]].concat());
        assert_eq!(pending.len(), 4);
        drop((lone, flood));
        assert_eq!(pending.len(), 0);
    }

    #[test]
    fn one_subscriber_of_ipv6_is_one_and_a_mapped_address_is_what_it_maps() {
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:0:0:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }

    #[test]
    fn an_address_and_a_caller_have_only_so_many_connections_until_one_ends() {
        let places = Places::new(PlaceLimits { all: 4, per_address: 3, per_caller: 2 });
        let (here, there) = (network("192.0.2.1"), network("192.0.2.2"));
        let _ada = (places.take(here, caller("ada")).unwrap(), places.take(there, caller("ada")).unwrap());
        assert_eq!(places.take(there, caller("ada")).unwrap_err(), Full::Caller, "from wherever they call");
        let bob = places.take(here, caller("bob")).unwrap();
        let _nobody = places.take(here, None).unwrap();
        assert_eq!(places.take(here, caller("cleo")).unwrap_err(), Full::Address);
        assert_eq!(places.take(there, caller("cleo")).unwrap_err(), Full::All);
        drop(bob);
        assert!(places.take(here, caller("cleo")).is_ok());
    }
}
