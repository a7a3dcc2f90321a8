//! Which members a table has: those that were there, and new ones for the rest.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::pool::{Backend, Member};

/// The members of `backends`: those of `before` where they are, and the others made; and who of `before` is left over.
///
/// Tables are long and changes small, so what both begin and end with is not looked up.
pub(super) fn carried<'a>(
    before: &[Rc<Member>],
    backends: impl ExactSizeIterator<Item = &'a Arc<Backend>> + DoubleEndedIterator + Clone,
    make: impl Fn(&Arc<Backend>) -> Rc<Member>,
) -> (Rc<[Rc<Member>]>, Vec<Rc<Member>>) {
    let is_of = |(member, backend): &(&Rc<Member>, &Arc<Backend>)| Arc::ptr_eq(&member.backend, backend);
    let head = before.iter().zip(backends.clone()).take_while(is_of).count();
    let shorter = before.len().min(backends.len());
    let tail = before.iter().rev().zip(backends.clone().rev()).take(shorter - head).take_while(is_of).count();
    let (old, new) = (head..before.len() - tail, head..backends.len() - tail);
    let mut moved: HashMap<*const Backend, &Rc<Member>> =
        before[old.clone()].iter().map(|member| (Arc::as_ptr(&member.backend), member)).collect();
    let middle = backends.skip(new.start).take(new.len()).map(|backend| {
        let known = moved.remove(&Arc::as_ptr(backend));
        known.map_or_else(|| make(backend), Rc::clone)
    });
    let middle: Vec<_> = middle.collect();
    let members = before[..head].iter().cloned().chain(middle).chain(before[old.end..].iter().cloned());
    (members.collect(), moved.into_values().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{PoolLoad, Readiness};
    use crate::pool::outbox::Outbox;
    use crate::pool::{Capacity, Site};

    #[test]
    fn members_stay_with_their_backends() {
        let backend = |name: &str| {
            let address = format!("{name}:80");
            Arc::new(Backend::new(name.into(), address.as_str().into(), address.parse().unwrap(), 1))
        };
        let site = Rc::new(Site {
            worker: 0,
            load: Arc::new(PoolLoad::new(1)),
            capacity: Capacity::new(None, Vec::new(), 0, 1),
            is_limited: Default::default(),
            outbox: Outbox::default(),
            limits: Default::default(),
            budget: Default::default(),
            left: Default::default(),
            tls: Default::default(),
            report: Box::new(|_, _| {}),
        });
        let make =
            |backend: &Arc<Backend>| Rc::new(Member::new(Arc::clone(backend), Rc::clone(&site), Readiness::Down));
        let all = ["a", "b", "c", "d", "e", "f"].map(backend);
        for before in ["", "a", "abc", "abcdef", "fedcba"] {
            for after in ["", "a", "ac", "abc", "abcd", "abdc", "cab", "bcdef", "abdef", "abcdef", "dcafeb", "ef"] {
                let of = |names: &str| -> Vec<_> {
                    let one = |name: char| all[name as usize - 'a' as usize].clone();
                    names.chars().map(one).collect()
                };
                let old: Vec<_> = of(before).iter().map(make).collect();
                let (members, gone) = carried(&old, of(after).iter(), make);
                let names =
                    |members: &[Rc<Member>]| -> String { members.iter().map(|member| &*member.backend.id).collect() };
                assert_eq!(names(&members), after, "{before} to {after}");
                let kept = |member: &&Rc<Member>| old.iter().any(|known| Rc::ptr_eq(known, member));
                assert_eq!(members.iter().filter(kept).count() + gone.len(), old.len(), "{before} to {after}");
            }
        }
    }
}
