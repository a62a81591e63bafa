//! TLS for `ssl://` endpoints: the server's key file and the client's policy.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Reads a key file (`--ssl.keyfile`): PEM with the certificate chain and the private key.
///
/// # Errors
/// The file cannot be read, or holds no certificate or no usable key.
pub fn server_config(key_file: &Path) -> io::Result<Arc<ServerConfig>> {
    let text = std::fs::read(key_file)?;
    let chain = rustls_pemfile::certs(&mut text.as_slice()).collect::<io::Result<Vec<_>>>()?;
    let key = rustls_pemfile::private_key(&mut text.as_slice())?;
    let (Some(key), false) = (key, chain.is_empty()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} needs a certificate and a private key", key_file.display())));
    };
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", key_file.display()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(invalid)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(invalid)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The client's policy: any certificate is taken.
///
/// Compat: ArangoDB's servers do not verify one another's certificates either; they prove who
/// they are by the cluster's JWT secret. TLS keeps listeners out, it does not identify.
pub(crate) fn client_config() -> io::Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
