//! By which names the server may be called. A page of another site can have its own name lead to
//! this machine and then ask as if it were ours (DNS rebinding); what it cannot do is send another
//! `Host` than its own. A demo, whose passwords are printed, answers loopback names only.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    demo: bool,
    /// Lower case, without ports.
    named: Vec<String>,
}

impl Hosts {
    /// `named` are answered besides; without a demo they alone, or all where none is named.
    pub fn new(demo: bool, named: &[String]) -> Self {
        Self { demo, named: named.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    pub fn admit(&self, request: &HttpRequest) -> bool {
        if !self.demo && self.named.is_empty() {
            return true;
        }
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let authority = request.uri().authority().map(|authority| authority.as_str());
        // A request that names two servers must be right about both.
        host.is_some_and(|host| self.knows(host)) && authority.is_none_or(|name| self.knows(name))
    }

    fn knows(&self, host: &str) -> bool {
        let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
        self.named.contains(&name) || (self.demo && is_loopback(&name))
    }
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(address, _)| address),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    }
}

fn is_loopback(name: &str) -> bool {
    let by_name = name == "localhost" || name.ends_with(".localhost");
    by_name || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_demo_answers_names_of_this_machine_only() {
        let demo = Hosts::new(true, &["Shop.example".to_owned()]);
        for (host, known) in [
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("shop.localhost:1", true),
            ("127.0.0.1:8080", true),
            ("127.9.9.9", true),
            ("[::1]:8080", true),
            ("[::ffff:127.0.0.1]", true),
            ("localhost.", true),
            ("shop.example:443", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:8080", false),
            ("evillocalhost", false),
            ("10.0.0.1", false),
            ("[fe80::1]", false),
            ("", false),
        ] {
            let request = TestRequest::default().insert_header((header::HOST, host));
            assert_eq!(demo.admit(&request.to_http_request()), known, "{host}");
        }
        assert!(!demo.admit(&TestRequest::default().to_http_request()), "none is named");
        let two = TestRequest::with_uri("http://evil.example/graphql");
        let two = two.insert_header((header::HOST, "localhost")).to_http_request();
        assert!(!demo.admit(&two));
    }

    #[test]
    fn elsewhere_all_names_are_answered_unless_some_are_configured() {
        let named = |hosts: &[String], host: &str| {
            let request = TestRequest::default().insert_header((header::HOST, host));
            Hosts::new(false, hosts).admit(&request.to_http_request())
        };
        assert!(named(&[], "anything.example"));
        let shop = ["shop.example".to_owned()];
        assert!(named(&shop, "shop.example") && !named(&shop, "localhost"));
    }
}
