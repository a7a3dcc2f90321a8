//! Frames of a client's HTTP/2 connection: how its bytes are cut makes no difference, and it goes on as long as it has credit,
//! with what it began with at least, and with what it was given at most.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab::proxy::http2::meter::Meter;

/// Credit that a client begins with.
const FIRST: u64 = 2000;

/// What comes before the first frame.
const PREFACE: [u8; 24] = [b'P'; 24];

const DATA: u8 = 0;

fn frame(kind: u8, flags: u8, stream: u8, payload: u8) -> Vec<u8> {
    let mut frame = vec![0, 0, payload, kind, flags, 0, 0, 0, stream];
    frame.resize(9 + usize::from(payload), 0xff);
    frame
}

/// What a frame costs: one of DATA, of HEADERS, CONTINUATION, RST_STREAM, or another.
fn cost(kind: u8, flags: u8, payload: u8) -> u64 {
    match kind {
        DATA => (payload == 0 && flags & 1 == 0).into(),
        1 | 9 => 0,
        3 => 4,
        _ => 1,
    }
}

/// Whether the client goes on.
fn read([whole, pieces]: &mut [Meter; 2], bytes: &[u8], cut: usize) -> bool {
    let goes_on = whole.read(bytes);
    assert_eq!(bytes.chunks(cut).all(|piece| pieces.read(piece)), goes_on);
    assert_eq!((pieces.frames(), pieces.last_stream()), (whole.frames(), whole.last_stream()));
    goes_on
}

fuzz_target!(|parts: (u8, Vec<(u8, u8, u8, u8, u8)>, &[u8])| {
    let (cut, steps, any) = parts;
    let cut = 1 + usize::from(cut);
    let mut meters = [(); 2].map(|()| Meter::new(PREFACE.len(), 0));
    let mut writing = Meter::new(0, 0);
    assert!(read(&mut meters, &PREFACE, cut));
    let (mut now, mut given, mut written, mut spent) = (0, FIRST, 0, 0);
    for (step, kind, flags, payload, times) in steps {
        let kind = kind % 12;
        let bytes = frame(kind, flags, step, payload).repeat(times.into());
        let times = u64::from(times);
        match step % 4 {
            0 => {
                spent += cost(kind, flags, payload) * times;
                if !read(&mut meters, &bytes, cut) {
                    assert!(spent > FIRST);
                    return;
                }
                assert!(spent <= given + now / 10 + written / 1024);
            }
            1 => {
                let is_body = kind == DATA && times > 0;
                assert!(meters.iter_mut().all(|meter| meter.wrote(&bytes) == is_body));
                assert_eq!(bytes.chunks(cut).fold(false, |any, piece| any | writing.wrote(piece)), is_body);
                written += bytes.len() as u64;
                given += if is_body { 4 * times } else { 0 };
            }
            2 => {
                now += u64::from(payload) * times;
                meters.iter_mut().for_each(|meter| meter.pass(now));
            }
            _ => {
                meters.iter_mut().for_each(|meter| meter.completed(times as u32));
                given += 4 * times;
            }
        }
    }
    read(&mut meters, any, cut);
});
