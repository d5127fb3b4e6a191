//! What every format comes down to.

use super::format::Format;
use super::purl::Purl;

/// A bill of materials.
#[derive(Debug, Clone, PartialEq)]
pub struct Sbom {
    /// What it was written in.
    pub format: Format,
    /// Its own name in the world: CycloneDX `serialNumber`, SPDX 2 `documentNamespace`, SPDX 3 `spdxId` of the document.
    pub serial: Option<String>,
    /// CycloneDX: which edition of the serial number it is.
    pub edition: Option<u64>,
    /// SPDX: the name of the document.
    pub name: Option<String>,
    /// When it was made, as it says.
    pub created: Option<String>,
    /// What made it, as `name` or `name version`.
    pub tools: Vec<String>,
    /// Everything that it lists, the described things among them.
    pub components: Vec<Component>,
    /// What it describes: places in `components`.
    pub roots: Vec<usize>,
    /// How the components hang together.
    pub edges: Edges,
}

impl Sbom {
    /// An empty one.
    #[must_use]
    pub const fn new(format: Format) -> Self {
        Self {
            format,
            serial: None,
            edition: None,
            name: None,
            created: None,
            tools: Vec::new(),
            components: Vec::new(),
            roots: Vec::new(),
            edges: Edges { count: 0, dangling: 0 },
        }
    }

    /// The things that it describes.
    pub fn described(&self) -> impl Iterator<Item = &Component> {
        self.roots.iter().filter_map(|&root| self.components.get(root))
    }
}

/// How many edges a document has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edges {
    /// CycloneDX `dependsOn` and `provides`, SPDX relationships.
    pub count: u64,
    /// Those of them with an end that is not in the document.
    pub dangling: u64,
}

/// One thing that a document lists: a package, a file, a device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Component {
    /// What the document calls it: `bom-ref`, `SPDXID` or `spdxId`.
    pub reference: Option<String>,
    /// CycloneDX `type`, SPDX `primaryPackagePurpose`, in lower case; `file` for files of SPDX.
    pub kind: Option<String>,
    /// CycloneDX `group`.
    pub group: Option<String>,
    /// The name; empty where the document has none.
    pub name: String,
    /// The version.
    pub version: Option<String>,
    /// The package URL, where there is one that can be read.
    pub purl: Option<Purl>,
    /// The CPE, as it stands.
    pub cpe: Option<String>,
    /// Who it comes from.
    pub supplier: Option<String>,
    /// Digests of its bytes.
    pub hashes: Vec<Hash>,
    /// Licences that its makers give it.
    pub declared: Vec<Licence>,
    /// Licences that the document's makers hold it to be under.
    pub concluded: Vec<Licence>,
}

/// A digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash {
    /// The algorithm in lower case, without dashes: `sha256`.
    pub algorithm: String,
    /// The hex digits in lower case.
    pub value: String,
}

impl Hash {
    /// The digest in one spelling: documents write `SHA-256`, `SHA256` and `sha256`.
    #[must_use]
    pub fn new(algorithm: &str, value: &str) -> Self {
        let algorithm = algorithm.chars().filter(|c| *c != '-' && *c != '_').collect::<String>().to_ascii_lowercase();
        Self { algorithm, value: value.to_ascii_lowercase() }
    }
}

/// What is said of a licence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Licence {
    /// An SPDX licence expression; a single identifier is one.
    Expression(String),
    /// A name that is no identifier.
    Named(String),
    /// SPDX `NONE`: there is no licence.
    None,
    /// SPDX `NOASSERTION`: nothing is said.
    NoAssertion,
}

impl Licence {
    /// An expression, or one of the two words that SPDX has in its place.
    #[must_use]
    pub fn expression(text: &str) -> Self {
        match text.trim() {
            "NONE" => Self::None,
            "NOASSERTION" => Self::NoAssertion,
            text => Self::Expression(text.to_owned()),
        }
    }

    /// As it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Expression(text) | Self::Named(text) => text,
            Self::None => "NONE",
            Self::NoAssertion => "NOASSERTION",
        }
    }
}
