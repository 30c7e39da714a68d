//! Certificates for tests, made by the `openssl` of the machine: an authority of its own and what it signed.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A certificate authority and one certificate for 127.0.0.1 and localhost, good for servers and clients. The files go
/// away with it.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
}

impl Authority {
    /// Makes keys and certificates.
    ///
    /// # Panics
    /// If `openssl` is missing or refuses.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("gettone-tls-").tempdir().expect("a directory");
        let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        openssl(
            folder.path(),
            &[
                &["req", "-x509"],
                &new_key[..],
                &["-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority of a test"],
            ],
        );
        let names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
        openssl(
            folder.path(),
            &[
                &["req"],
                &new_key[..],
                &["-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost", "-addext", names],
            ],
        );
        openssl(
            folder.path(),
            &[
                &["x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2"],
                &["-copy_extensions", "copy", "-out", "certificate.pem"],
            ],
        );
        Self { folder }
    }

    /// PEM file with the certificate of the authority.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// PEM file with the certificate it signed.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// PEM file with the key of that certificate.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn openssl(folder: &Path, arguments: &[&[&str]]) {
    let output = Command::new("openssl").current_dir(folder).args(arguments.concat()).output();
    let output = output.expect("openssl, the program, is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
