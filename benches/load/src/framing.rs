//! Framing: where the head of an HTTP/1.1 message ends, and how long its body is.

/// The longest head that is read.
pub const HEAD_BYTES_MAX: usize = 64 << 10;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Body {
    Bytes(u64),
    Chunked,
    /// Up to the end of the connection.
    UntilEnd,
}

/// How long the head is, if it is whole.
#[must_use]
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(end + 4)
}

/// The value of a header, by its name in lower case.
#[must_use]
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The status of an answer.
#[must_use]
pub fn status(head: &str) -> Option<u16> {
    head.split(' ').nth(1)?.parse().ok()
}

/// The body behind a request's head.
#[must_use]
pub fn request_body(head: &str) -> Body {
    declared(head).unwrap_or(Body::Bytes(0))
}

/// The body behind an answer's head.
#[must_use]
pub fn answer_body(method: &str, head: &str) -> Body {
    match status(head) {
        _ if method == "HEAD" => Body::Bytes(0),
        Some(100..=199 | 204 | 304) => Body::Bytes(0),
        _ => declared(head).unwrap_or(Body::UntilEnd),
    }
}

fn declared(head: &str) -> Option<Body> {
    if header(head, "transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        return Some(Body::Chunked);
    }
    header(head, "content-length")?.parse().ok().map(Body::Bytes)
}

/// The length on the line that opens a chunk.
#[must_use]
pub fn chunk_length(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| matches!(byte, b';' | b'\r' | b'\n')).next()?;
    u64::from_str_radix(str::from_utf8(digits).ok()?.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_as_long_as_its_head_says() {
        let put = "PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n";
        assert_eq!(request_body(put), Body::Bytes(12));
        assert_eq!(request_body("GET / HTTP/1.1\r\n\r\n"), Body::Bytes(0));
        let chunked = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(request_body(chunked), Body::Chunked);
        let ok = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        assert_eq!(answer_body("GET", ok), Body::Bytes(5));
        assert_eq!(answer_body("HEAD", ok), Body::Bytes(0));
        assert_eq!(answer_body("PUT", "HTTP/1.1 100 Continue\r\n\r\n"), Body::Bytes(0));
        assert_eq!(answer_body("GET", "HTTP/1.1 200 OK\r\n\r\n"), Body::UntilEnd);
    }

    #[test]
    fn a_head_ends_at_the_empty_line() {
        assert_eq!(head_length(b"GET / HTTP/1.1\r\n\r\nrest"), Some(18));
        assert_eq!(head_length(b"GET / HTTP/1.1\r\n\r"), None);
    }

    #[test]
    fn chunks_are_counted_in_hexadecimal() {
        assert_eq!(chunk_length(b"1a;name=value\r\n"), Some(26));
        assert_eq!(chunk_length(b"0\r\n"), Some(0));
        assert_eq!(chunk_length(b"x\r\n"), None);
    }
}
