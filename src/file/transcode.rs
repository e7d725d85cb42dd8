//! From the bytes of any encoding to UTF-8.
//!
//! What cannot be read becomes [`BAD`], a byte that is never part of UTF-8: the cell that it stands in is refused as
//! `bad_encoding` where it is needed, and the rest of the file goes on.

use bytes::Bytes;
use encoding_rs::{Decoder, DecoderResult};
use futures::{StreamExt as _, stream};

use crate::host::ByteStream;
use crate::spec::Encoding;
use crate::{Error, ErrorKind, Result};

/// Stands for bytes that mean no character.
const BAD: u8 = 0xFF;

/// The most bytes that are decoded at a time, which bounds a piece of the result.
const STEP: usize = 64 << 10;

/// How many bytes of a file [`check_mark`] wants to see.
pub(super) const MARK_BYTES: usize = 4;

/// The text of a file as UTF-8, without its byte order mark if the encoding is another one. Any pieces of the same bytes
/// give the same text. `front` is how the file begins: [`MARK_BYTES`], or all of it.
///
/// # Errors
/// [`Malformed`](ErrorKind::Malformed) if the byte order mark contradicts the encoding, or is missing where it must tell
/// the order.
pub(super) fn to_utf8(bytes: ByteStream, front: &[u8], encoding: Encoding) -> Result<ByteStream> {
    let (encoding, skip) = check_mark(front, encoding)?;
    let Some(reader) = Reader::new(encoding) else {
        return Ok(bytes);
    };
    let transcoder = Transcoder {
        bytes,
        rest: Bytes::new(),
        skip,
        reader: Some(reader),
    };
    let pieces = stream::try_unfold(transcoder, |mut transcoder| async move {
        let piece = transcoder.next().await?;
        Ok(piece.map(|piece| (piece, transcoder)))
    });
    Ok(pieces.boxed())
}

/// A text of which all, or the front, is there, as [`to_utf8`] makes it; a character that is cut off at the end is left out
/// unless the text is whole.
pub(super) fn decode_front(bytes: &[u8], is_whole: bool, encoding: Encoding) -> Result<Vec<u8>> {
    let (encoding, skip) = check_mark(bytes, encoding)?;
    let bytes = bytes.get(skip..).unwrap_or_default();
    let Some(mut reader) = Reader::new(encoding) else {
        return Ok(bytes.to_vec());
    };
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 2);
    for step in bytes.chunks(STEP) {
        reader.read(step, &mut out);
    }
    if is_whole {
        reader.finish(&mut out);
    }
    Ok(out)
}

/// The encoding by what the file begins with, and the length of a mark to pass over. That of UTF-8 in UTF-8 is left to the
/// reader of the header.
fn check_mark(front: &[u8], encoding: Encoding) -> Result<(Encoding, usize)> {
    use Encoding::{Utf8, Utf16, Utf16Be, Utf16Le};
    let (found, name, setting) = match front {
        [0xFF, 0xFE, 0, 0, ..] => return Err(utf_32("little-endian")),
        [0, 0, 0xFE, 0xFF, ..] => return Err(utf_32("big-endian")),
        [0xEF, 0xBB, 0xBF, ..] => (Utf8, "UTF-8", "utf-8"),
        [0xFF, 0xFE, ..] => (Utf16Le, "UTF-16 (little-endian)", "utf-16le"),
        [0xFE, 0xFF, ..] => (Utf16Be, "UTF-16 (big-endian)", "utf-16be"),
        _ if encoding == Utf16 && !front.is_empty() => {
            return Err(Error::new(
                ErrorKind::Malformed,
                "the file has no byte order mark; set the format's `encoding` to `utf-16le` or `utf-16be`, if it is one of them",
            ));
        }
        _ => return Ok((encoding, 0)),
    };
    match (encoding, found) {
        (Utf8, Utf8) => Ok((Utf8, 0)),
        (Utf16, Utf16Le | Utf16Be) => Ok((found, 2)),
        _ if encoding == found => Ok((found, 2)),
        _ => {
            let message = format!(
                "the file is encoded as {name}, by its byte order mark; set the format's `encoding` to `{setting}`"
            );
            Err(Error::new(ErrorKind::Malformed, message))
        }
    }
}

fn utf_32(order: &str) -> Error {
    let message = format!(
        "the file is encoded as UTF-32 ({order}), which is not read; save it as UTF-8 or UTF-16"
    );
    Error::new(ErrorKind::Malformed, message)
}

/// A file on its way to UTF-8.
struct Transcoder {
    bytes: ByteStream,
    /// What is left of the last piece.
    rest: Bytes,
    /// Of the mark, what is still to be passed over.
    skip: usize,
    /// `None` behind the end.
    reader: Option<Reader>,
}

impl Transcoder {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        while let Some(reader) = &mut self.reader {
            if self.rest.is_empty() {
                match self.bytes.next().await {
                    Some(piece) => self.rest = piece?,
                    None => {
                        let mut out = Vec::new();
                        reader.finish(&mut out);
                        self.reader = None;
                        return Ok((!out.is_empty()).then(|| out.into()));
                    }
                }
            }
            let mark = self.rest.split_to(self.skip.min(self.rest.len()));
            self.skip -= mark.len();
            let step = self.rest.split_to(STEP.min(self.rest.len()));
            let mut out = Vec::with_capacity(step.len() + step.len() / 2);
            reader.read(&step, &mut out);
            // Of a piece that ends within a character nothing may be left.
            if !out.is_empty() {
                return Ok(Some(out.into()));
            }
        }
        Ok(None)
    }
}

/// What tells the characters of an encoding.
enum Reader {
    /// Each byte is the character of its number.
    Latin1,
    /// By a table in which these bytes have no place.
    Table(Decoder, &'static [u8]),
}

impl Reader {
    /// `None` for UTF-8.
    fn new(encoding: Encoding) -> Option<Self> {
        let (table, gaps): (_, &'static [u8]) = match encoding {
            Encoding::Utf8 => return None,
            Encoding::Iso8859_1 => return Some(Reader::Latin1),
            Encoding::Utf16Le | Encoding::Utf16 => (encoding_rs::UTF_16LE, &[]),
            Encoding::Utf16Be => (encoding_rs::UTF_16BE, &[]),
            Encoding::Iso8859_2 => (encoding_rs::ISO_8859_2, &[]),
            Encoding::Iso8859_3 => (encoding_rs::ISO_8859_3, &[]),
            Encoding::Iso8859_15 => (encoding_rs::ISO_8859_15, &[]),
            // Browsers read these as control characters; Microsoft's table has nothing there.
            Encoding::Windows1252 => (encoding_rs::WINDOWS_1252, &[0x81, 0x8D, 0x8F, 0x90, 0x9D]),
        };
        Some(Reader::Table(
            table.new_decoder_without_bom_handling(),
            gaps,
        ))
    }

    /// Appends the text of the next bytes.
    fn read(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Reader::Latin1 => {
                let length = out.len();
                // The widest character has two bytes.
                out.resize(length + 2 * bytes.len(), 0);
                let free = out.get_mut(length..).unwrap_or_default();
                let written = encoding_rs::mem::convert_latin1_to_utf8(bytes, free);
                out.truncate(length + written);
            }
            Reader::Table(decoder, []) => decode(decoder, bytes, false, out),
            Reader::Table(decoder, gaps) => {
                let mut parts = bytes.split(|byte| gaps.contains(byte));
                if let Some(first) = parts.next() {
                    decode(decoder, first, false, out);
                }
                for part in parts {
                    out.push(BAD);
                    decode(decoder, part, false, out);
                }
            }
        }
    }

    /// Appends what the end makes of an open character.
    fn finish(&mut self, out: &mut Vec<u8>) {
        if let Reader::Table(decoder, _) = self {
            decode(decoder, &[], true, out);
        }
    }
}

fn decode(decoder: &mut Decoder, mut bytes: &[u8], last: bool, out: &mut Vec<u8>) {
    loop {
        let length = out.len();
        let most = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
        // With room for a character that an earlier call left open, of which the answer may not know.
        out.resize(length + most.unwrap_or(STEP) + 16, 0);
        let free = out.get_mut(length..).unwrap_or_default();
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, free, last);
        out.truncate(length + written);
        bytes = bytes.get(read..).unwrap_or_default();
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => out.push(BAD),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use futures::TryStreamExt as _;
    use futures::executor::block_on;
    use proptest::prelude::*;

    use super::*;

    const ALL: [Encoding; 8] = [
        Encoding::Utf16Le,
        Encoding::Utf16Be,
        Encoding::Utf16,
        Encoding::Iso8859_1,
        Encoding::Iso8859_2,
        Encoding::Iso8859_3,
        Encoding::Iso8859_15,
        Encoding::Windows1252,
    ];

    fn transcode(bytes: &[u8], pieces: usize, encoding: Encoding) -> Result<Vec<u8>> {
        let front = bytes.get(..MARK_BYTES.min(bytes.len())).unwrap();
        let pieces: Vec<Result<Bytes>> = bytes
            .chunks(pieces)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let text = to_utf8(stream::iter(pieces).boxed(), front, encoding)?;
        let pieces: Vec<Bytes> = block_on(text.try_collect())?;
        assert!(pieces.iter().all(|piece| piece.len() <= 3 * STEP + 64));
        Ok(pieces.concat())
    }

    /// Written without help of the crate that reads it.
    fn units(text: &str, encoding: Encoding) -> Vec<u8> {
        let order = match encoding {
            Encoding::Utf16Be => u16::to_be_bytes,
            _ => u16::to_le_bytes,
        };
        let mark = (encoding == Encoding::Utf16).then_some(0xFEFF);
        let units = mark.into_iter().chain(text.encode_utf16());
        units.flat_map(order).collect()
    }

    #[test]
    fn every_byte_of_a_table_is_its_character_or_bad() {
        let gaps = |encoding| -> Vec<u8> {
            (0..=0xFFu8)
                .filter(|&byte| transcode(&[b'a', byte], 9, encoding).unwrap() == [b'a', BAD])
                .collect()
        };
        assert_eq!(gaps(Encoding::Windows1252), [0x81, 0x8D, 0x8F, 0x90, 0x9D]);
        // From the tables of ISO 8859-3: 165, 174, 190, 195, 208, 227, 240.
        let holes = [0xA5, 0xAE, 0xBE, 0xC3, 0xD0, 0xE3, 0xF0];
        assert_eq!(gaps(Encoding::Iso8859_3), holes);
        for whole in [
            Encoding::Iso8859_1,
            Encoding::Iso8859_2,
            Encoding::Iso8859_15,
        ] {
            assert!(gaps(whole).is_empty());
        }
        for (encoding, byte, character) in [
            (Encoding::Iso8859_1, 0x80, '\u{80}'),
            (Encoding::Iso8859_1, 0xA4, '¤'),
            (Encoding::Iso8859_15, 0xA4, '€'),
            (Encoding::Iso8859_15, 0x80, '\u{80}'),
            (Encoding::Windows1252, 0x80, '€'),
            (Encoding::Iso8859_2, 0xB1, 'ą'),
            (Encoding::Iso8859_3, 0xFD, 'ŭ'),
        ] {
            let text = transcode(&[byte], 1, encoding).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), character.to_string());
        }
    }

    #[test]
    fn a_broken_unit_costs_itself() {
        for encoding in [Encoding::Utf16Le, Encoding::Utf16Be] {
            let order = match encoding {
                Encoding::Utf16Be => u16::to_be_bytes,
                _ => u16::to_le_bytes,
            };
            let bytes =
                |units: &[u16]| -> Vec<u8> { units.iter().flat_map(|&unit| order(unit)).collect() };
            let (a, high, low) = (u16::from(b'a'), 0xD83D, 0xDE00);
            for (units, text) in [
                (vec![a, high, a], &b"a\xFFa"[..]),
                (vec![a, low, a], b"a\xFFa"),
                (vec![high, high, low], b"\xFF\xF0\x9F\x98\x80"),
                (vec![low, high], b"\xFF\xFF"),
            ] {
                for pieces in 1..9 {
                    let read = transcode(&bytes(&units), pieces, encoding).unwrap();
                    assert_eq!(read, text, "{units:x?} in pieces of {pieces}");
                }
            }
            // An odd byte at the end.
            let mut odd = bytes(&[a, a]);
            odd.push(0);
            assert_eq!(transcode(&odd, 2, encoding).unwrap(), b"aa\xFF");
        }
    }

    #[test]
    fn a_mark_that_fits_is_passed_over_and_another_is_refused() {
        let little = units("\u{FEFF}a,b", Encoding::Utf16Le);
        let big = units("\u{FEFF}a,b", Encoding::Utf16Be);
        for pieces in 1..4 {
            let read = |bytes: &[u8], encoding| transcode(bytes, pieces, encoding).unwrap();
            assert_eq!(read(&little, Encoding::Utf16Le), b"a,b");
            assert_eq!(read(&little, Encoding::Utf16), b"a,b");
            assert_eq!(read(&big, Encoding::Utf16Be), b"a,b");
            assert_eq!(read(&big, Encoding::Utf16), b"a,b");
        }
        // In the middle of a text the mark is a character.
        let twice = units("\u{FEFF}\u{FEFF}", Encoding::Utf16Le);
        assert_eq!(
            transcode(&twice, 9, Encoding::Utf16).unwrap(),
            "\u{FEFF}".as_bytes()
        );
        let fails = |bytes: &[u8], encoding| {
            let error = transcode(bytes, 9, encoding).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed);
            error.to_string()
        };
        for encoding in [Encoding::Utf16Be, Encoding::Utf8, Encoding::Iso8859_1] {
            let message = fails(&little, encoding);
            assert!(
                message.contains("set the format's `encoding` to `utf-16le`"),
                "{message}"
            );
        }
        let message = fails(&big, Encoding::Utf16Le);
        assert!(message.contains("`utf-16be`"), "{message}");
        for encoding in ALL {
            let message = fails("\u{FEFF}a".as_bytes(), encoding);
            assert!(message.contains("`utf-8`"), "{message}");
            let message = fails(b"\xFF\xFE\0\0a\0\0\0", encoding);
            assert!(message.contains("UTF-32"), "{message}");
        }
        let message = fails(b"a\0,\0", Encoding::Utf16);
        assert!(message.contains("`utf-16le` or `utf-16be`"), "{message}");
        assert_eq!(transcode(b"", 1, Encoding::Utf16).unwrap(), b"");
    }

    proptest! {
        #[test]
        fn any_pieces_give_the_text(text in "\\PC{0,40}|[a\u{1F600}\u{FEFF}\r\n\0]{0,20}", pieces in 1..9usize) {
            for encoding in [Encoding::Utf16Le, Encoding::Utf16Be, Encoding::Utf16] {
                // A mark would be taken for one, and with a NUL for one of UTF-32.
                let text = text.trim_start_matches(['\u{FEFF}', '\0']);
                let bytes = units(text, encoding);
                let read = transcode(&bytes, pieces, encoding).unwrap();
                prop_assert_eq!(std::str::from_utf8(&read), Ok(text));
            }
            let latin: Vec<u8> = text.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
            let is_marked = latin.starts_with(b"\xEF\xBB\xBF") || latin.starts_with(b"\xFF\xFE") || latin.starts_with(b"\xFE\xFF");
            if !is_marked {
                let read = transcode(&latin, pieces, Encoding::Iso8859_1).unwrap();
                let text: String = latin.iter().map(|&byte| char::from(byte)).collect();
                prop_assert_eq!(std::str::from_utf8(&read), Ok(&*text));
            }
        }

        /// Whatever the bytes: what is not read is marked, pieces do not matter, and line ends stay where they are.
        #[test]
        fn no_bytes_are_too_strange(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xD8), Just(0xDC), Just(0)], 0..60),
            pieces in 1..9usize,
        ) {
            for encoding in ALL {
                let Ok(whole) = transcode(&bytes, 100, encoding) else { continue };
                prop_assert_eq!(&transcode(&bytes, pieces, encoding).unwrap(), &whole);
                for part in whole.split(|&byte| byte == BAD) {
                    prop_assert!(std::str::from_utf8(part).is_ok());
                }
                let count = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count();
                if !matches!(encoding, Encoding::Utf16Le | Encoding::Utf16Be | Encoding::Utf16) {
                    prop_assert_eq!(count(&bytes), count(&whole));
                }
            }
        }
    }
}
