//! The backends of the benchmark: a fixed small response to every request, for as little processor time as
//! tokio allows. Not an HTTP server: it looks for the end of each head and for nothing else. What asks for `/chat` gets a
//! WebSocket, which echoes what comes, as it came.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Result;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const END: &[u8] = b"\r\n\r\n";

/// To the key of RFC 6455 §1.3, which is the one that the benchmark's clients send.
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Listens on the addresses of the command line with a thread per core, until it is killed.
fn main() -> Result<()> {
    let addresses = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<Vec<SocketAddr>, _>>()?;
    let threads = std::thread::available_parallelism()?.get();
    let threads: Vec<_> = (0..threads)
        .map(|_| {
            let addresses = addresses.clone();
            std::thread::spawn(move || serve(&addresses))
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
    }
    Ok(())
}

fn serve(addresses: &[SocketAddr]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let local = tokio::task::LocalSet::new();
    let body = "x".repeat(128);
    let response: Rc<[u8]> = format!("HTTP/1.1 200 OK\r\ncontent-length: 128\r\n\r\n{body}").into_bytes().into();
    local.block_on(&runtime, async {
        for address in addresses {
            let (listener, response) = (listen(*address)?, Rc::clone(&response));
            tokio::task::spawn_local(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::task::spawn_local(answer(stream, Rc::clone(&response)));
                }
            });
        }
        std::future::pending::<Result<()>>().await
    })
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(TcpListener::from_std(socket.into())?)
}

/// Answers each head on this connection; requests have no bodies here.
async fn answer(mut stream: TcpStream, response: Rc<[u8]>) {
    let _ = stream.set_nodelay(true);
    let (mut buffer, mut filled) = (vec![0; 16 * 1024], 0);
    loop {
        match stream.read(&mut buffer[filled..]).await {
            Ok(0) | Err(_) => return,
            Ok(count) => filled += count,
        }
        while let Some(at) = buffer[..filled].windows(END.len()).position(|window| window == END) {
            if buffer.starts_with(b"GET /chat") {
                return echo(stream).await;
            }
            if stream.write_all(&response).await.is_err() {
                return;
            }
            buffer.copy_within(at + END.len()..filled, 0);
            filled -= at + END.len();
        }
        if filled == buffer.len() {
            return;
        }
    }
}

/// Whoever asks waits for the answer before sending more.
async fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 128];
    let mut switched = stream.write_all(SWITCH).await;
    while switched.is_ok() {
        switched = match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => stream.write_all(&buffer[..count]).await,
        };
    }
}
