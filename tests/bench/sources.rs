//! Backends of what is carried as it is: by TCP they give as many bytes as they are asked for, by UDP they send back what comes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;

use anyhow::Result;

/// Bytes that are written at a time.
const PORTION: usize = 256 << 10;

/// Starts so many, which answer until the process ends. Answers their ports, which are the same for TCP and UDP.
pub(crate) fn start(count: usize) -> Result<Vec<u16>> {
    (0..count).map(|_| serve()).collect()
}

fn serve() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // There are thousands when they are idle.
            let _ = thread::Builder::new().stack_size(64 << 10).spawn(move || give(stream));
        }
    });
    thread::spawn(move || {
        let mut room = [0; 2048];
        while let Ok((count, from)) = socket.recv_from(&mut room) {
            let _ = socket.send_to(&room[..count], from);
        }
    });
    Ok(port)
}

/// Gives as many bytes as each eight of the client ask for, until it ends.
fn give(mut stream: TcpStream) -> std::io::Result<()> {
    static BYTES: [u8; PORTION] = [7; PORTION];
    stream.set_nodelay(true)?;
    let mut asked = [0; 8];
    while stream.read_exact(&mut asked).is_ok() {
        let mut left = u64::from_be_bytes(asked);
        while left > 0 {
            let portion = usize::try_from(left).map_or(PORTION, |left| left.min(PORTION));
            stream.write_all(&BYTES[..portion])?;
            left -= portion as u64;
        }
    }
    Ok(())
}
