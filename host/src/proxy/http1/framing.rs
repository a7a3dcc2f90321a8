//! Where each HTTP/1.1 message of a client ends, by the letter of RFC 9112.
//!
//! Smuggling lives on two parties that read the same bytes in two ways. So what can be read in two ways is refused
//! here, before hyper parses it: lines that do not end in CRLF, folded lines, two framings or an unusual one, chunks
//! that are not written as they must be. Names, values and targets are for hyper and `target` to check. Does no I/O.

use memchr::memchr2;

use crate::proxy::error::Error;

/// Longest line of a chunk's size, its extensions included, in bytes.
const LONGEST_CHUNK_LINE: usize = 256;

/// Longest trailer section, in bytes.
const LONGEST_TRAILERS: usize = 8 << 10;

/// The messages of one connection, as far as they have come.
#[derive(Debug, Default)]
pub struct Framing {
    state: State,
    /// The beginning of a line of which the end has not come.
    partial: Vec<u8>,
    head: Head,
    /// Bytes of the trailer section so far.
    trailers: usize,
}

/// What comes next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A line of a head.
    #[default]
    Head,
    /// So many bytes of a body.
    Body(u64),
    /// The size of a chunk.
    Size,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The end of a chunk.
    ChunkEnd,
    /// A trailer field, or the end of the body.
    Trailer,
    /// Anything: the client has asked for another protocol, and it is not known yet whether it gets that.
    Open,
}

/// What the head that is being read says of its message.
#[derive(Debug, Default)]
struct Head {
    /// The request line has come.
    begun: bool,
    is_http_10: bool,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

/// What is wrong, and how many of the bytes before it may be passed on.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    /// Bytes that may be passed on: with them no message that is wrong has a whole head.
    pub sound: usize,
    /// The answer.
    pub error: Error,
    /// It is in a body of which the head was passed on before.
    pub in_body: bool,
}

impl Framing {
    /// Looks at the next bytes. Answers whether they are of a protocol that nobody has agreed to yet.
    ///
    /// # Errors
    /// The first that is wrong. Nothing that follows it means anything.
    pub fn look(&mut self, bytes: &[u8]) -> Result<bool, Violation> {
        let mut at = 0;
        // Where the present message begins, if that is among these bytes.
        let mut start = None;
        while at < bytes.len() {
            if self.state == State::Head && !self.head.begun && self.partial.is_empty() {
                start = Some(at);
            }
            let rest = &bytes[at..];
            match self.state {
                State::Open => return Ok(true),
                State::Body(left) => {
                    let (taken, left) = take(left, rest.len());
                    at += taken;
                    self.state = if left == 0 { self.end() } else { State::Body(left) };
                }
                State::Chunk(left) => {
                    let (taken, left) = take(left, rest.len());
                    at += taken;
                    self.state = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
                }
                _ => match self.line(rest) {
                    Ok(Some(taken)) => at += taken,
                    Ok(None) => return Ok(false),
                    Err(error) => {
                        let in_body = self.state != State::Head && start.is_none();
                        return Err(Violation { sound: start.unwrap_or(at), error, in_body });
                    }
                },
            }
        }
        Ok(false)
    }

    /// Whether a request's body has begun and not ended.
    pub fn is_within_body(&self) -> bool {
        !matches!(self.state, State::Head | State::Open)
    }

    /// Another protocol is not what the client gets: what comes next is a request.
    pub fn close_off(&mut self) {
        if self.state == State::Open {
            self.state = State::Head;
        }
    }

    /// Takes a line off the front; none: it is not complete.
    fn line(&mut self, rest: &[u8]) -> Result<Option<usize>, Error> {
        let (end, taken) = match self.partial.last() {
            Some(b'\r') if rest[0] == b'\n' => (0, 1),
            Some(b'\r') => return Err(self.malformed()),
            _ => match memchr2(b'\r', b'\n', rest) {
                Some(end) if rest[end] == b'\r' && rest.get(end + 1) == Some(&b'\n') => (end, end + 2),
                Some(end) if rest[end] == b'\r' && end + 1 == rest.len() => (rest.len(), 0),
                None => (rest.len(), 0),
                Some(_) => return Err(self.malformed()),
            },
        };
        if self.state != State::Head && self.partial.len() + end > LONGEST_TRAILERS {
            return Err(Error::BadFraming);
        }
        if taken == 0 {
            self.partial.extend_from_slice(rest);
            return Ok(None);
        }
        if self.partial.is_empty() {
            self.end_line(&rest[..end])?;
        } else {
            let mut line = std::mem::take(&mut self.partial);
            line.extend_from_slice(&rest[..end]);
            if end == 0 && line.last() == Some(&b'\r') {
                line.pop();
            }
            self.end_line(&line)?;
            line.clear();
            self.partial = line;
        }
        Ok(Some(taken))
    }

    fn malformed(&self) -> Error {
        if self.state == State::Head { Error::BadRequest } else { Error::BadFraming }
    }

    fn end_line(&mut self, line: &[u8]) -> Result<(), Error> {
        self.state = match self.state {
            State::Head if self.head.begun && line.is_empty() => self.end_head()?,
            State::Head if self.head.begun => {
                self.head.field(line)?;
                State::Head
            }
            // Empty lines before a request are passed over (RFC 9112 §2.2).
            State::Head if line.is_empty() => State::Head,
            State::Head => {
                self.head.request_line(line)?;
                State::Head
            }
            State::Size => match chunk_size(line).ok_or(Error::BadFraming)? {
                0 => State::Trailer,
                size => State::Chunk(size),
            },
            State::ChunkEnd if line.is_empty() => State::Size,
            State::Trailer if line.is_empty() => self.end(),
            State::Trailer => {
                self.trailers += line.len();
                if self.trailers > LONGEST_TRAILERS || !is_trailer(line) {
                    return Err(Error::BadFraming);
                }
                State::Trailer
            }
            _ => return Err(Error::BadFraming),
        };
        Ok(())
    }

    fn end_head(&mut self) -> Result<State, Error> {
        let head = &self.head;
        match (head.chunked, head.length) {
            // RFC 9112 §6.1: from a client that says both, or says it in HTTP/1.0, the framing is faulty.
            (true, Some(_)) => Err(Error::BadFraming),
            (true, None) if head.is_http_10 => Err(Error::BadFraming),
            (true, None) => Ok(State::Size),
            (false, None | Some(0)) => Ok(self.end()),
            (false, Some(length)) => Ok(State::Body(length)),
        }
    }

    /// A message has ended.
    fn end(&mut self) -> State {
        self.trailers = 0;
        let head = std::mem::take(&mut self.head);
        if head.upgrade { State::Open } else { State::Head }
    }
}

/// How much of `left` is there, and what is left then.
fn take(left: u64, there: usize) -> (usize, u64) {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(there);
    (taken, left - taken as u64)
}

impl Head {
    /// `METHOD target HTTP/1.1`, by single spaces (RFC 9112 §3).
    fn request_line(&mut self, line: &[u8]) -> Result<(), Error> {
        self.begun = true;
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(_), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Error::BadRequest);
        };
        match version {
            b"HTTP/1.1" => {}
            b"HTTP/1.0" => self.is_http_10 = true,
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => return Err(Error::BadVersion),
            _ => return Err(Error::BadRequest),
        }
        // A fragment is nothing that a client sends, and hyper would drop it unseen.
        let is_target = !target.is_empty() && target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#');
        if is_target { Ok(()) } else { Err(Error::BadRequest) }
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Error> {
        match line[0] {
            // A folded line (RFC 9112 §5.2).
            b' ' | b'\t' => return Err(Error::BadRequest),
            b'c' | b'C' => {
                if let Some(value) = value(line, b"content-length") {
                    let length = decimal(value).ok_or(Error::BadFraming)?;
                    // The same length twice is no less the work of somebody who counts on two readings.
                    if self.length.replace(length).is_some() {
                        return Err(Error::BadFraming);
                    }
                }
            }
            b't' | b'T' => {
                if let Some(value) = value(line, b"transfer-encoding") {
                    if self.chunked {
                        return Err(Error::BadFraming);
                    }
                    if !value.eq_ignore_ascii_case(b"chunked") {
                        return Err(Error::TransferCoding);
                    }
                    self.chunked = true;
                }
            }
            b'u' | b'U' => self.upgrade |= value(line, b"upgrade").is_some(),
            _ => {}
        }
        Ok(())
    }
}

/// The value of a field line of this name, without the spaces around it. A tab there is none that a client writes.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (sent, rest) = line.split_at_checked(name.len())?;
    let mut value = rest.strip_prefix(b":").filter(|_| sent.eq_ignore_ascii_case(name))?;
    while let [b' ', inner @ ..] | [inner @ .., b' '] = value {
        value = inner;
    }
    Some(value)
}

/// `1*DIGIT`, as far as it is a length that can come.
fn decimal(text: &[u8]) -> Option<u64> {
    let plain = (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    plain.then(|| text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// `1*HEXDIG`, and extensions that say nothing to us (RFC 9112 §7.1.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    if line.len() > LONGEST_CHUNK_LINE {
        return None;
    }
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (number, extensions) = line.split_at(digits);
    let plain = |byte: &u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t');
    if !(1..=15).contains(&digits) || !matches!(extensions, [] | [b';', ..]) || !extensions.iter().all(plain) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(number).ok()?, 16).ok()
}

/// Whether this is a field that may follow a body: none that frames or directs a message (RFC 9110 §6.5.1).
fn is_trailer(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
    let forbidden =
        [&b"content-length"[..], b"transfer-encoding", b"host", b"connection", b"upgrade", b"trailer", b"te"];
    http::HeaderName::from_bytes(&line[..colon]).is_ok()
        && !forbidden.iter().any(|name| line[..colon].eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
