//! What was asked, consented to and given out.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::drawn;

/// What a client asks for when it sends a person here.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) redirect: String,
    pub(super) state: String,
    /// The hash of the verifier (PKCE, S256).
    pub(super) challenge: String,
}

/// Tokens that are given out together.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) refresh: String,
}

/// All that a server must remember.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// By the ticket in the form of the consent page.
    asked: HashMap<String, Asked>,
    /// By code.
    consented: HashMap<String, Asked>,
    /// The tokens of each grant.
    granted: HashMap<u64, Tokens>,
    /// Refresh tokens that were used, with their grants.
    used: HashMap<String, u64>,
    grants: u64,
    refreshes: u64,
}

impl Grants {
    /// Remembers what is asked; the ticket names it in the form.
    pub(super) fn ask(&mut self, asked: Asked) -> String {
        let ticket = drawn();
        self.asked.insert(ticket.clone(), asked);
        ticket
    }

    /// What was asked under this ticket: once.
    pub(super) fn asked(&mut self, ticket: &str) -> Option<Asked> {
        self.asked.remove(ticket)
    }

    /// The person consents; the code stands for that.
    pub(super) fn consent(&mut self, asked: Asked) -> String {
        let code = drawn();
        self.consented.insert(code.clone(), asked);
        code
    }

    /// Tokens for a code, once, if the verifier is the one whose hash was sent before.
    pub(super) fn redeem(&mut self, code: &str, redirect: &str, verifier: &str) -> Option<Tokens> {
        let asked = self.consented.remove(code)?;
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        if asked.redirect != redirect || asked.challenge != hash {
            return None;
        }
        self.grants += 1;
        Some(self.give(self.grants))
    }

    /// New tokens for a refresh token, which ends by that. One that comes a second time was stolen, so the grant ends.
    pub(super) fn refresh(&mut self, token: &str) -> Option<Tokens> {
        if let Some(grant) = self.used.get(token) {
            self.granted.remove(grant);
            return None;
        }
        let mut grants = self.granted.iter();
        let (&grant, _) = grants.find(|(_, tokens)| tokens.refresh == token)?;
        self.used.insert(token.to_owned(), grant);
        self.refreshes += 1;
        Some(self.give(grant))
    }

    /// Ends the grant of a token. One that is not known has ended already.
    pub(super) fn revoke(&mut self, token: &str) {
        let is_of = |tokens: &Tokens| tokens.access == token || tokens.refresh == token;
        self.granted.retain(|_, tokens| !is_of(tokens));
    }

    pub(super) fn lets_in(&self, access: &str) -> bool {
        let mut granted = self.granted.values();
        granted.any(|tokens| tokens.access == access)
    }

    pub(super) fn end_access_tokens(&mut self) {
        for tokens in self.granted.values_mut() {
            tokens.access = drawn();
        }
    }

    pub(super) fn refreshes(&self) -> u64 {
        self.refreshes
    }

    pub(super) fn len(&self) -> usize {
        self.granted.len()
    }

    fn give(&mut self, grant: u64) -> Tokens {
        let tokens = Tokens {
            access: drawn(),
            refresh: drawn(),
        };
        self.granted.insert(grant, tokens.clone());
        tokens
    }
}
