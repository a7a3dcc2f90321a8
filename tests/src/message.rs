//! HTTP/1.1 messages as the tests see them: heads parsed, bodies whole. No I/O here.

use std::io;

/// Header or trailer fields, in order, names as they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The first value of this name, compared without case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// All values of this name, in order.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    fn says(&self, name: &str, token: &str) -> bool {
        self.all(name).iter().any(|v| v.split(',').any(|t| t.trim().eq_ignore_ascii_case(token)))
    }
}

/// A request as a backend got it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// Such as `/path?query`, as sent.
    pub target: String,
    /// Minor version: 1 for HTTP/1.1.
    pub version: u8,
    /// Fields of the head.
    pub headers: Fields,
    /// What was read of the body.
    pub body: Vec<u8>,
    /// Fields after a chunked body.
    pub trailers: Fields,
}

/// A response as a client got it.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// Such as 200.
    pub status: u16,
    /// Minor version: 1 for HTTP/1.1.
    pub version: u8,
    /// Fields of the head.
    pub headers: Fields,
    /// The body, decoded.
    pub body: Vec<u8>,
    /// Fields after a chunked body.
    pub trailers: Fields,
    /// Statuses of the interim responses (1xx) that came before.
    pub interim: Vec<u16>,
}

impl Response {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, null where it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Name of the backend that answered, empty where the host itself did.
    #[must_use]
    pub fn backend(&self) -> &str {
        self.headers.get("x-backend").unwrap_or_default()
    }

    /// Why the host itself answered.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.headers.get("x-trimtab-reason").unwrap_or_default()
    }

    /// Fields that the backend saw, where it was an echo.
    #[must_use]
    pub fn echoed(&self) -> Fields {
        let pairs = self.json()["headers"].as_array().cloned().unwrap_or_default();
        let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
        Fields(pairs.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect())
    }
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// As many bytes.
    Length(usize),
    /// Chunks.
    Chunked,
    /// All until the connection closes.
    Close,
}

/// Parses the head of a request, the empty line included.
///
/// # Errors
/// `InvalidData` when it is none.
pub fn request(head: &[u8]) -> io::Result<(Request, Framing)> {
    let mut slots = [httparse::EMPTY_HEADER; 512];
    let mut parsed = httparse::Request::new(&mut slots);
    parsed.parse(head).map_err(|error| invalid(error, head))?;
    let headers = fields(parsed.headers);
    let framing = framing(&headers).unwrap_or(Framing::Empty);
    let request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        target: parsed.path.unwrap_or_default().to_owned(),
        version: parsed.version.unwrap_or_default(),
        headers,
        ..Request::default()
    };
    Ok((request, framing))
}

/// Parses the head of a response to a request of this method.
///
/// # Errors
/// `InvalidData` when it is none.
pub fn response(head: &[u8], method: &str) -> io::Result<(Response, Framing)> {
    let mut slots = [httparse::EMPTY_HEADER; 512];
    let mut parsed = httparse::Response::new(&mut slots);
    parsed.parse(head).map_err(|error| invalid(error, head))?;
    let headers = fields(parsed.headers);
    let status = parsed.code.unwrap_or_default();
    let framing = match status {
        100..=199 | 204 | 304 => Framing::Empty,
        _ if method == "HEAD" => Framing::Empty,
        _ => framing(&headers).unwrap_or(Framing::Close),
    };
    Ok((Response { status, version: parsed.version.unwrap_or_default(), headers, ..Response::default() }, framing))
}

/// Parses the lines after the last chunk.
///
/// # Errors
/// `InvalidData` when they are no fields.
pub fn trailers(lines: &[u8]) -> io::Result<Fields> {
    let mut slots = [httparse::EMPTY_HEADER; 64];
    match httparse::parse_headers(lines, &mut slots) {
        Ok(httparse::Status::Complete((_, parsed))) => Ok(fields(parsed)),
        Ok(httparse::Status::Partial) => Err(invalid("cut", lines)),
        Err(error) => Err(invalid(error, lines)),
    }
}

fn framing(headers: &Fields) -> Option<Framing> {
    if headers.says("transfer-encoding", "chunked") {
        return Some(Framing::Chunked);
    }
    headers.get("content-length").and_then(|v| v.parse().ok()).map(Framing::Length)
}

fn fields(parsed: &[httparse::Header<'_>]) -> Fields {
    Fields(parsed.iter().map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned())).collect())
}

fn invalid(why: impl std::fmt::Display, bytes: &[u8]) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{why} in {:?}", String::from_utf8_lossy(bytes)))
}
