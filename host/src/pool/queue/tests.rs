//! The queue on several threads: no wake-up is lost, no limit passed, and nothing left behind.

use std::sync::atomic::AtomicU32;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Wake;
use std::thread;

use super::*;

/// Wakes a thread that waits for a message.
struct Bell(Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

fn bell() -> (Waker, Receiver<()>) {
    let (ring, rung) = channel();
    (Waker::from(Arc::new(Bell(ring))), rung)
}

fn backend(name: &str) -> Arc<Backend> {
    let address = format!("{name}:80");
    let parsed = address.parse().expect("address");
    Arc::new(Backend::new(name.into(), address.into(), parsed, 1))
}

fn spots(backends: &[Arc<Backend>], limit: u32) -> Vec<Spot<Same>> {
    let spot = |backend| Spot { backend: Same(Arc::clone(backend)), limit: Some(limit), open: true };
    backends.iter().map(spot).collect()
}

fn any() -> Wish<Same> {
    Wish { placed: false, bound: None, tried: SmallVec::new(), useless: SmallVec::new() }
}

fn bound(to: &Arc<Backend>) -> Wish<Same> {
    Wish { bound: Some(Same(Arc::clone(to))), ..any() }
}

/// Waits for the turn of a ticket; a test in which nobody rings fails.
fn turn(ticket: &mut Ticket) -> Turn {
    let (waker, rung) = bell();
    loop {
        match ticket.poll(&Context::from_waker(&waker)) {
            Poll::Ready(turn) => return turn,
            Poll::Pending => rung.recv_timeout(std::time::Duration::from_secs(20)).expect("a wake-up was lost"),
        }
    }
}

#[test]
fn under_load_nobody_is_forgotten_and_nothing_is_left_over() {
    const THREADS: usize = 8;
    const REQUESTS: usize = 4000;
    let backends = [backend("a"), backend("b"), backend("c")];
    let capacity = Capacity::new(Some(4), spots(&backends, 2), 1, 1);
    let (most, most_there) = (AtomicU32::new(0), AtomicU32::new(0));
    let now = AtomicU32::new(0);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (backends, capacity, now) = (&backends, &capacity, &now);
            let (most, most_there) = (&most, &most_there);
            scope.spawn(move || {
                for request in 0..REQUESTS {
                    let at = &backends[(number + request) % 3];
                    // As a request does it: first without the queue.
                    let entered = capacity.enter(4);
                    let taken = entered && at.load.try_begin(2);
                    if !taken && entered {
                        capacity.leave();
                    }
                    let backend = if taken {
                        Arc::clone(at)
                    } else {
                        let wish = if request % 5 == 0 { bound(at) } else { any() };
                        let mut ticket = capacity.join(wish, u32::MAX).expect("there is no limit");
                        if request % 7 == 0 {
                            // The client leaves, whether it was its turn or not.
                            continue;
                        }
                        if request % 11 == 0 {
                            ticket.unbind();
                        }
                        let Turn::Granted(mut grant) = turn(&mut ticket) else { panic!("the pool never changes") };
                        let backend = grant.backend.clone().expect("all of them are limited");
                        if request % 13 == 0 {
                            // It is of no use.
                            continue;
                        }
                        assert!(grant.take_slot(&backend) && grant.take_place());
                        ticket.end(Waited::Served);
                        backend
                    };
                    most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                    most_there.fetch_max(backend.load.in_flight(), SeqCst);
                    thread::yield_now();
                    now.fetch_sub(1, SeqCst);
                    backend.load.end();
                    capacity.freed(&backend);
                    capacity.leave();
                }
            });
        }
    });
    assert!(most.into_inner() <= 4 && most_there.into_inner() <= 2);
    assert_eq!(capacity.waiting(), 0);
    assert!(backends.iter().all(|backend| backend.load.in_flight() == 0));
    let state = capacity.queue.lock();
    assert!(state.turns.is_empty() && state.order.waiting() == 0);
    drop(state);
    assert_eq!((0..5).filter(|_| capacity.enter(4)).count(), 4, "all places are free again");
    assert!(capacity.waited(Waited::Served) > 0 && capacity.waited(Waited::Left) > 0);
}

#[test]
fn turns_come_in_order_and_those_of_a_backend_when_it_has_room() {
    let backends = [backend("a"), backend("b")];
    let capacity = Capacity::new(None, spots(&backends, 1), 1, 1);
    assert!(backends.iter().all(|backend| backend.load.try_begin(1)));
    let mut first = capacity.join(bound(&backends[0]), 2).expect("room");
    let mut second = capacity.join(any(), 2).expect("room");
    assert_eq!(capacity.join(any(), 2).err(), Some(Full));
    backends[1].load.end();
    capacity.freed(&backends[1]);
    let cx = &Context::from_waker(Waker::noop());
    assert!(first.poll(cx).is_pending());
    let Poll::Ready(Turn::Granted(grant)) = second.poll(cx) else { panic!("it is its turn") };
    assert!(!backends[1].load.try_begin(1), "it is taken for it");
    // It needs it no more, and the first takes any now.
    first.unbind();
    drop(grant);
    assert!(matches!(first.poll(cx), Poll::Ready(Turn::Granted(_))));
}

#[test]
fn a_change_reaches_who_waits_when_all_workers_have_it() {
    let backends = [backend("a"), backend("b")];
    let capacity = Capacity::new(Some(1), spots(&backends[..1], 1), 1, 2);
    assert!(capacity.enter(1) && backends[0].load.try_begin(1));
    let mut waits = capacity.join(bound(&backends[0]), 5).expect("room");
    let cx = &Context::from_waker(Waker::noop());
    let more = || spots(&backends[1..], 1);
    capacity.applied(0, 2, Some(2), more);
    assert!(waits.poll(cx).is_pending(), "one worker does not know the backend yet");
    capacity.applied(1, 2, Some(2), more);
    let Poll::Ready(Turn::Granted(grant)) = waits.poll(cx) else { panic!("its backend is gone, and another came") };
    assert!(grant.place && grant.backend.as_ref().is_some_and(|granted| Arc::ptr_eq(granted, &backends[1])));
    let mut hopeless = capacity.join(any(), 5).expect("room");
    assert!(hopeless.poll(cx).is_pending());
    [0, 1].into_iter().for_each(|worker| capacity.applied(worker, 3, Some(2), Vec::new));
    assert!(matches!(hopeless.poll(cx), Poll::Ready(Turn::Hopeless)));
    assert_eq!(capacity.waiting(), 0);
}
