//! Another login for a living client.
use std::{
    ffi::{CString, c_char},
    time::UNIX_EPOCH,
};

use keyvault::Secret;
use rdkafka::bindings as sys;

use super::{
    super::credentials::Token,
    Client, Code, NO_ERROR,
    text::{c_secret, c_string, describe},
};

impl Client {
    /// Another user name and password for logins to come; connections that live go on.
    ///
    /// # Errors
    /// librdkafka's sentence if it does not log in by passwords.
    pub fn set_password(&self, username: &Secret, password: &Secret) -> Result<(), String> {
        // SAFETY: the handle is valid and the texts end with a NUL; librdkafka copies them. The
        // error, if there is one, is ours to destroy.
        unsafe {
            let error = sys::rd_kafka_sasl_set_credentials(
                self.handle,
                c_secret(username).as_ptr().cast(),
                c_secret(password).as_ptr().cast(),
            );
            if error.is_null() {
                return Ok(());
            }
            let code = sys::rd_kafka_error_code(error) as Code;
            sys::rd_kafka_error_destroy(error);
            // Not its own text, which nobody has promised to be free of what it was given.
            Err(describe(code))
        }
    }

    /// An access token for logins to come. Connections that live log in again with it when the
    /// broker asks them to (KIP-368).
    ///
    /// # Errors
    /// Why librdkafka does not take it.
    pub fn set_token(&self, token: &Token) -> Result<(), String> {
        set_token(self.handle, token)
    }
}

/// The same for a handle of librdkafka's that is valid.
pub(in super::super) fn set_token(
    handle: *mut sys::rd_kafka_t,
    token: &Token,
) -> Result<(), String> {
    let since_epoch = token.expires.duration_since(UNIX_EPOCH).unwrap_or_default();
    let principal = c_string(&token.principal);
    let extensions: Vec<CString> = token
        .extensions
        .iter()
        .flat_map(|(name, value)| [c_string(name), c_string(value)])
        .collect();
    let mut extensions: Vec<*const c_char> = extensions.iter().map(|text| text.as_ptr()).collect();
    let mut text = [0 as c_char; 512];
    // SAFETY: every pointer is valid for the call and librdkafka copies what it keeps.
    let code = unsafe {
        sys::rd_kafka_oauthbearer_set_token(
            handle,
            c_secret(&token.value).as_ptr().cast(),
            since_epoch.as_millis() as i64,
            principal.as_ptr(),
            extensions.as_mut_ptr(),
            extensions.len(),
            text.as_mut_ptr(),
            text.len(),
        )
    };
    // Its own text may repeat an extension's value.
    if code as Code == NO_ERROR { Ok(()) } else { Err(describe(code as Code)) }
}
