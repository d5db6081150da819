//! To a collector by OTLP: turns our spans into those of `opentelemetry_sdk`, whose batching thread
//! sends them by gRPC or HTTP. The one file that knows these crates.

use std::fmt;
use std::time::Duration;

use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{
    SpanExporter, WithExportConfig, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SpanData, SpanEvents, SpanExporter as Exporter, SpanLinks, SpanProcessor,
};

use super::{Context, Kind, Sink, Span};
use crate::metrics_of_traces::{EXPORTED_SPANS, SPANS};
use crate::options::{OtlpProtocol, TelemetryOptions};
use crate::trace::secured::Authorities;

/// How long one batch may take to be sent.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a process that ends waits for the last batch.
const FINISH_WITHIN: Duration = Duration::from_secs(2);
/// Where a collector takes traces by HTTP.
const HTTP_PATH: &str = "/v1/traces";

/// See the module.
pub struct Collector {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
}

impl Collector {
    pub fn new(endpoint: &str, options: &TelemetryOptions, node: &str) -> Result<Self, String> {
        let exporter = exporter(endpoint, options)?;
        let mut processor = BatchSpanProcessor::builder(Watched(exporter)).build();
        let resource = Resource::builder_empty()
            .with_service_name("emporium")
            .with_attributes([
                KeyValue::new("service.instance.id", node.to_owned()),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .build();
        processor.set_resource(&resource);
        Ok(Self { processor, scope: InstrumentationScope::builder("emporium").build() })
    }
}

/// To a collector over TLS, where its address says so.
fn exporter(endpoint: &str, options: &TelemetryOptions) -> Result<SpanExporter, String> {
    let authorities = Authorities::read(options.otlp_authorities.as_deref())?;
    let built = match options.otlp_protocol {
        OtlpProtocol::Grpc => {
            let mut builder = SpanExporter::builder().with_tonic();
            if endpoint.starts_with("https://") {
                builder = builder.with_tls_config(authorities.of_grpc());
            }
            builder.with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT).build()
        }
        OtlpProtocol::Http => SpanExporter::builder()
            .with_http()
            .with_http_client(authorities.of_http(EXPORT_TIMEOUT)?)
            .with_endpoint(http_endpoint(endpoint))
            .with_timeout(EXPORT_TIMEOUT)
            .build(),
    };
    built.map_err(|error| error.to_string())
}

/// The path is the one of the specification, unless another is named.
fn http_endpoint(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    let behind_scheme = base.split_once("://").map_or(base, |(_, rest)| rest);
    if behind_scheme.contains('/') { base.to_owned() } else { format!("{base}{HTTP_PATH}") }
}

impl Sink for Collector {
    fn take(&self, span: Span) {
        SPANS.inc();
        self.processor.on_end(self.translate(span));
    }

    fn finish(&self) {
        if let Err(error) = self.processor.shutdown_with_timeout(FINISH_WITHIN) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

impl Collector {
    fn translate(&self, span: Span) -> SpanData {
        let mut links = SpanLinks::default();
        links.links =
            span.links.iter().map(|link| Link::new(translate(*link), Vec::new(), 0)).collect();
        let attributes = span.attributes.into_iter();
        SpanData {
            span_context: translate(span.context),
            parent_span_id: span
                .parent
                .map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.span_id)),
            parent_span_is_remote: span.parent_is_remote,
            span_kind: match span.kind {
                Kind::Server => SpanKind::Server,
                Kind::Client => SpanKind::Client,
                Kind::Internal => SpanKind::Internal,
            },
            name: span.name,
            start_time: span.began,
            end_time: span.ended,
            attributes: attributes.map(|(name, value)| KeyValue::new(name, value)).collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: span.error.map_or(Status::Unset, Status::error),
            instrumentation_scope: self.scope.clone(),
        }
    }
}

fn translate(context: Context) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(context.trace_id),
        SpanId::from_bytes(context.span_id),
        TraceFlags::SAMPLED,
        false,
        TraceState::default(),
    )
}

/// An exporter whose failures are seen: the library keeps them to itself.
struct Watched(SpanExporter);

impl fmt::Debug for Watched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Exporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        let sent = self.0.export(batch).await;
        EXPORTED_SPANS.with([if sent.is_ok() { "sent" } else { "lost" }]).add(count);
        if let Err(error) = &sent {
            tracing::warn!(%error, spans = count, "the collector did not take spans");
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_to_the_path_of_the_specification_unless_another_is_named() {
        for (endpoint, expected) in [
            ("http://c:4318", "http://c:4318/v1/traces"),
            ("http://c:4318/", "http://c:4318/v1/traces"),
            ("http://c/tenant/v1/traces", "http://c/tenant/v1/traces"),
        ] {
            assert_eq!(http_endpoint(endpoint), expected);
        }
    }
}
