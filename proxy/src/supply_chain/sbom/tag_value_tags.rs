//! The tags of SPDX 2 and the members of the JSON form that they are (SPDX 2.3, clauses 6 to 13, each with both spellings).

use self::Section::{Annotation, Creation, Document, File, Licence, Package, Related, Review, Snippet};
use super::tag_value_forms::Form::{
    self, Bool, ByteRange, Checksum, CommentOf, Dropped, ExternalDocument, ExternalReference, LineRange, List,
    Relationship, Text, Verification,
};

/// What a tag belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// The document.
    Document,
    /// Who made it; not a section of its own, but an object of its own in JSON.
    Creation,
    /// A package.
    Package,
    /// A file.
    File,
    /// A snippet.
    Snippet,
    /// A licence of the document's own.
    Licence,
    /// A relationship.
    Related,
    /// An annotation.
    Annotation,
    /// A review.
    Review,
}

impl Section {
    /// Whether its elements may stand between the tags of another one.
    pub(super) const fn is_beside(self) -> bool {
        matches!(self, Related | Annotation | Review)
    }

    /// The list of the JSON form that its elements stand in.
    pub(super) const fn list(self) -> &'static str {
        match self {
            Document | Creation => "",
            Package => "packages",
            File => "files",
            Snippet => "snippets",
            Licence => "hasExtractedLicensingInfos",
            Related => "relationships",
            Annotation => "annotations",
            Review => "revieweds",
        }
    }
}

/// A tag.
#[derive(Debug)]
pub(super) struct Tag {
    /// As it is written.
    pub(super) name: &'static str,
    /// What it belongs to.
    pub(super) section: Section,
    /// Whether a new element begins with it.
    pub(super) begins: bool,
    /// What its value is.
    pub(super) form: Form,
}

const fn tag(name: &'static str, section: Section, form: Form) -> Tag {
    Tag { name, section, begins: false, form }
}

const fn begin(name: &'static str, section: Section, form: Form) -> Tag {
    Tag { name, section, begins: true, form }
}

/// The tag of this name; one that several sections have, as `SPDXID`, is that of the section it stands in.
pub(super) fn find(name: &str, current: Section) -> Option<&'static Tag> {
    let mut named = TAGS.iter().filter(|tag| tag.name == name);
    named.clone().find(|tag| tag.section == current).or_else(|| {
        named.find(|tag| tag.begins || tag.section.is_beside() || matches!(tag.section, Document | Creation))
    })
}

#[rustfmt::skip]
static TAGS: &[Tag] = &[
    tag("SPDXVersion", Document, Text("spdxVersion")),
    tag("DataLicense", Document, Text("dataLicense")),
    tag("SPDXID", Document, Text("SPDXID")),
    tag("DocumentName", Document, Text("name")),
    tag("DocumentNamespace", Document, Text("documentNamespace")),
    tag("DocumentComment", Document, Text("comment")),
    tag("ExternalDocumentRef", Document, ExternalDocument),
    tag("LicenseListVersion", Creation, Text("licenseListVersion")),
    tag("Creator", Creation, List("creators")),
    tag("Created", Creation, Text("created")),
    tag("CreatorComment", Creation, Text("comment")),

    begin("PackageName", Package, Text("name")),
    tag("SPDXID", Package, Text("SPDXID")),
    tag("PackageVersion", Package, Text("versionInfo")),
    tag("PackageFileName", Package, Text("packageFileName")),
    tag("PackageSupplier", Package, Text("supplier")),
    tag("PackageOriginator", Package, Text("originator")),
    tag("PackageDownloadLocation", Package, Text("downloadLocation")),
    tag("FilesAnalyzed", Package, Bool("filesAnalyzed")),
    tag("PackageVerificationCode", Package, Verification),
    tag("PackageChecksum", Package, Checksum),
    tag("PackageHomePage", Package, Text("homepage")),
    tag("PackageSourceInfo", Package, Text("sourceInfo")),
    tag("PackageLicenseConcluded", Package, Text("licenseConcluded")),
    tag("PackageLicenseInfoFromFiles", Package, List("licenseInfoFromFiles")),
    tag("PackageLicenseDeclared", Package, Text("licenseDeclared")),
    tag("PackageLicenseComments", Package, Text("licenseComments")),
    tag("PackageCopyrightText", Package, Text("copyrightText")),
    tag("PackageSummary", Package, Text("summary")),
    tag("PackageDescription", Package, Text("description")),
    tag("PackageComment", Package, Text("comment")),
    tag("ExternalRef", Package, ExternalReference),
    tag("ExternalRefComment", Package, CommentOf("externalRefs")),
    tag("PackageAttributionText", Package, List("attributionTexts")),
    tag("PrimaryPackagePurpose", Package, Text("primaryPackagePurpose")),
    tag("BuiltDate", Package, Text("builtDate")),
    tag("ReleaseDate", Package, Text("releaseDate")),
    tag("ValidUntilDate", Package, Text("validUntilDate")),

    begin("FileName", File, Text("fileName")),
    tag("SPDXID", File, Text("SPDXID")),
    tag("FileType", File, List("fileTypes")),
    tag("FileChecksum", File, Checksum),
    tag("LicenseConcluded", File, Text("licenseConcluded")),
    tag("LicenseInfoInFile", File, List("licenseInfoInFiles")),
    tag("LicenseComments", File, Text("licenseComments")),
    tag("FileCopyrightText", File, Text("copyrightText")),
    tag("FileComment", File, Text("comment")),
    tag("FileNotice", File, Text("noticeText")),
    tag("FileContributor", File, List("fileContributors")),
    tag("FileAttributionText", File, List("attributionTexts")),
    tag("FileDependency", File, Dropped),
    tag("ArtifactOfProjectName", File, Dropped),
    tag("ArtifactOfProjectHomePage", File, Dropped),
    tag("ArtifactOfProjectURI", File, Dropped),

    begin("SnippetSPDXID", Snippet, Text("SPDXID")),
    tag("SnippetFromFileSPDXID", Snippet, Text("snippetFromFile")),
    tag("SnippetByteRange", Snippet, ByteRange),
    tag("SnippetLineRange", Snippet, LineRange),
    tag("SnippetLicenseConcluded", Snippet, Text("licenseConcluded")),
    tag("LicenseInfoInSnippet", Snippet, List("licenseInfoInSnippets")),
    tag("SnippetLicenseComments", Snippet, Text("licenseComments")),
    tag("SnippetCopyrightText", Snippet, Text("copyrightText")),
    tag("SnippetComment", Snippet, Text("comment")),
    tag("SnippetName", Snippet, Text("name")),
    tag("SnippetAttributionText", Snippet, List("attributionTexts")),

    begin("LicenseID", Licence, Text("licenseId")),
    tag("ExtractedText", Licence, Text("extractedText")),
    tag("LicenseName", Licence, Text("name")),
    tag("LicenseCrossReference", Licence, List("seeAlsos")),
    tag("LicenseComment", Licence, Text("comment")),

    begin("Relationship", Related, Relationship),
    tag("RelationshipComment", Related, Text("comment")),

    begin("Annotator", Annotation, Text("annotator")),
    tag("AnnotationDate", Annotation, Text("annotationDate")),
    tag("AnnotationComment", Annotation, Text("comment")),
    tag("AnnotationType", Annotation, Text("annotationType")),
    tag("SPDXREF", Annotation, Dropped),

    begin("Reviewer", Review, Text("reviewer")),
    tag("ReviewDate", Review, Text("reviewDate")),
    tag("ReviewComment", Review, Text("comment")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_that_several_sections_have_is_that_of_the_one_it_stands_in() {
        for section in [Document, Package, File] {
            assert_eq!(find("SPDXID", section).map(|tag| tag.section), Some(section));
        }
    }

    #[test]
    fn a_tag_of_another_section_is_none_unless_it_begins_one() {
        assert!(find("PackageVersion", File).is_none());
        assert!(find("PackageName", File).is_some_and(|tag| tag.begins));
        assert!(find("Creator", File).is_some());
        assert!(find("RelationshipComment", Package).is_some());
        assert!(find("Nothing", Document).is_none());
    }
}
