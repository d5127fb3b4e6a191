//! The Zot Artifact Store sidecar.
