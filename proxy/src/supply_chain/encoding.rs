//! Base64 as DSSE and ProtoJSON have it: written in the standard alphabet, read in either, with or without padding.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const EITHER: [GeneralPurpose; 2] = [GeneralPurpose::new(&STANDARD, CONFIG), GeneralPurpose::new(&URL_SAFE, CONFIG)];

/// Bytes that stand in JSON as base64.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Base64(pub(super) Vec<u8>);

impl std::fmt::Debug for Base64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Base64({} bytes)", self.0.len())
    }
}

/// Bytes as text, in the standard alphabet.
pub(super) fn encode(bytes: &[u8]) -> String {
    let [standard, _] = &EITHER;
    standard.encode(bytes)
}

/// Text as bytes; `None` where it is in neither alphabet, or in both.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    EITHER.iter().find_map(|engine| engine.decode(text).ok())
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Base64;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("base64")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Base64, E> {
                // The text may be a secret or long: it is not repeated.
                decode(text).map(Base64).ok_or_else(|| E::custom("not base64"))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_alphabets_are_read_and_never_a_mixture() {
        for text in ["+/+/", "-_-_"] {
            assert_eq!(decode(text).unwrap(), [0xfb, 0xff, 0xbf]);
        }
        for text in ["+_+_", "a", "====", "aa=a", "a a=", "aé=="] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode("YQ").unwrap(), decode("YQ==").unwrap());
        assert_eq!(decode("").unwrap(), b"");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in any::<Vec<u8>>()) {
            let text = serde_json::to_string(&Base64(bytes.clone())).unwrap();
            prop_assert_eq!(serde_json::from_str::<Base64>(&text).unwrap().0, bytes);
        }
    }
}
