package config

import (
	"fmt"
	"net/url"
	"strings"
)

// TraceTarget is a place that traces go to, by OTLP over HTTP.
type TraceTarget struct {
	URL     string            // with the path, mostly /v1/traces
	Headers map[string]string // secrets among them; never nil
	// Source names the variable that asks for it.
	Source string
}

// Traces is where traces go; none is no tracing. The environment and .env say
// so by the variables that OpenTelemetry names (OTEL_EXPORTER_OTLP_ENDPOINT,
// _HEADERS, their _TRACES_ forms, OTEL_TRACES_EXPORTER, OTEL_SDK_DISABLED) and
// by LangSmith's (LANGSMITH_TRACING, _API_KEY, _ENDPOINT, _PROJECT). A secret
// from the environment never goes to an address that only a .env names.
func (c *Config) Traces() []TraceTarget { return c.traces }

// langSmith is where LangSmith takes traces when LANGSMITH_ENDPOINT is not set.
const langSmith = "https://api.smith.langchain.com"

// resolveTraces returns warnings: bad variables turn tracing off, not the
// server.
func (c *Config) resolveTraces(env variables) []string {
	if isTrue(env["OTEL_SDK_DISABLED"].value) {
		return nil
	}
	var warnings []string
	for _, read := range []func(variables) (*TraceTarget, string){otlpTarget, langSmithTarget} {
		target, warning := read(env)
		if target != nil {
			c.traces = append(c.traces, *target)
		}
		if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	return warnings
}

func otlpTarget(env variables) (*TraceTarget, string) {
	name, path := "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ""
	if env[name].value == "" {
		name, path = "OTEL_EXPORTER_OTLP_ENDPOINT", "/v1/traces"
	}
	endpoint := env[name]
	switch exporter := env["OTEL_TRACES_EXPORTER"]; {
	case endpoint.value == "" || exporter.value == "none":
		return nil, ""
	case exporter.value != "" && exporter.value != "otlp":
		return nil, fmt.Sprintf("no traces are sent: %s must be otlp or none", exporter.source)
	}
	u, ok := traceURL(endpoint.value)
	if !ok {
		return nil, fmt.Sprintf("no traces are sent: %s must be an http:// or https:// URL without a password", endpoint.source)
	}
	t := &TraceTarget{URL: u + path, Headers: map[string]string{}, Source: endpoint.source}
	headers := env["OTEL_EXPORTER_OTLP_TRACES_HEADERS"]
	if headers.value == "" {
		headers = env["OTEL_EXPORTER_OTLP_HEADERS"]
	}
	if endpoint.dotenv && headers.value != "" && !headers.dotenv {
		return t, fmt.Sprintf("%s is not sent with traces: only %s names where they go", headers.source, endpoint.source)
	}
	var bad bool
	if t.Headers, bad = traceHeaders(headers.value); bad {
		return nil, fmt.Sprintf("no traces are sent: %s must be name=value pairs separated by commas", headers.source)
	}
	return t, ""
}

func langSmithTarget(env variables) (*TraceTarget, string) {
	first := func(names ...string) variable {
		for _, name := range names {
			if v := env[name]; v.value != "" {
				return v
			}
		}
		return variable{}
	}
	on, key := first("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2"), first("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY")
	endpoint := first("LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT")
	if !isTrue(on.value) || env["OTEL_TRACES_EXPORTER"].value == "none" {
		return nil, ""
	}
	address := langSmith
	if endpoint.value != "" {
		address = endpoint.value
	}
	u, ok := traceURL(address)
	switch {
	case key.value == "":
		return nil, fmt.Sprintf("no traces are sent to LangSmith: %s is set, LANGSMITH_API_KEY is not", on.source)
	case !ok:
		return nil, fmt.Sprintf("no traces are sent to LangSmith: %s must be an http:// or https:// URL without a password", endpoint.source)
	case endpoint.dotenv && !key.dotenv:
		return nil, fmt.Sprintf("no traces are sent to LangSmith: %s is not for an address that only %s names", key.source, endpoint.source)
	}
	t := &TraceTarget{URL: strings.TrimSuffix(u, "/otel") + "/otel/v1/traces", Headers: map[string]string{"x-api-key": key.value}, Source: on.source}
	if project := first("LANGSMITH_PROJECT", "LANGCHAIN_PROJECT").value; project != "" {
		t.Headers["Langsmith-Project"] = project
	}
	return t, ""
}

// traceURL refuses what could not be told in a log.
func traceURL(raw string) (string, bool) {
	u, err := url.Parse(trimSlash(raw))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", false
	}
	return u.String(), true
}

// traceHeaders reads W3C Baggage's form, as OpenTelemetry's specification has
// it: name=value,name=value, the values percent-encoded.
func traceHeaders(list string) (headers map[string]string, bad bool) {
	headers = map[string]string{}
	for pair := range strings.SplitSeq(list, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		plain, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !ok || name == "" || err != nil || strings.ContainsAny(name, " :\r\n") || strings.ContainsAny(plain, "\r\n\x00") {
			return nil, true
		}
		headers[name] = plain
	}
	return headers, false
}

func isTrue(v string) bool { return strings.EqualFold(v, "true") || v == "1" }
