package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ragproxy/ragproxy/config"
)

const deploy = "../../docs/deploy/"

func read(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(deploy + name)
	check(t, err)
	return raw
}

// load reads a configuration as the server would; a key that is none is a
// failure.
func load(t *testing.T, what string, o config.LoadOptions) *config.Config {
	t.Helper()
	o.Dir = t.TempDir()
	o.Env = append(o.Env, "HOME="+o.Dir)
	cfg, warnings, err := config.Load(o)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for _, w := range warnings {
		t.Errorf("%s: %s", what, w)
	}
	return cfg
}

// needed is how long a server may take to end: a second more is for the last
// answers to be written.
func needed(cfg *config.Config) time.Duration {
	return cfg.Server.ShutdownDelay + cfg.Server.DrainTimeout + time.Second
}

type composeFile struct {
	Services map[string]struct {
		Image       string
		Build       string
		Environment map[string]string
		Ports       []string
		Volumes     []string
		ReadOnly    bool                `yaml:"read_only"`
		CapDrop     []string            `yaml:"cap_drop"`
		SecurityOpt []string            `yaml:"security_opt"`
		StopGrace   string              `yaml:"stop_grace_period"`
		DependsOn   map[string]struct{} `yaml:"depends_on"`
		Healthcheck struct{ Test []string }
	}
	Volumes map[string]any
}

// expand puts in the defaults of variables.
func expand(text []byte) []byte {
	return regexp.MustCompile(`\$\{\w+:-([^}]*)\}`).ReplaceAll(text, []byte("$1"))
}

func TestCompose(t *testing.T) {
	var file composeFile
	check(t, yaml.Unmarshal(expand(read(t, "compose.yaml")), &file))
	if bytes.Contains(expand(read(t, "compose.yaml")), []byte("${")) {
		t.Error("a variable has no default: no command would run before it is set, the one that makes the key among them")
	}
	own := file.Services["ragproxy"]
	var env []string
	for name, value := range own.Environment {
		env = append(env, name+"="+value)
	}
	for _, line := range instructions(t)["ENV"] {
		env = append(env, strings.Fields(line)...)
	}
	cfg := load(t, "compose.yaml", config.LoadOptions{Env: env})
	for _, want := range []string{"docs:openwebui", "tasks:"} {
		if !slices.ContainsFunc(cfg.Aliases, func(a config.Alias) bool { return a.Name+":"+a.Dialect == want && a.Model == cfg.Upstream.Model }) {
			t.Errorf("got aliases %+v, want %s for %s", cfg.Aliases, want, cfg.Upstream.Model)
		}
	}
	if grace, err := time.ParseDuration(own.StopGrace); err != nil || grace < needed(cfg) {
		t.Errorf("stop_grace_period is %s, want %s or more", own.StopGrace, needed(cfg))
	}
	_, port, _ := strings.Cut(cfg.Listen, ":")
	if want := []string{"127.0.0.1:8080:" + port}; !slices.Equal(own.Ports, want) {
		t.Errorf("got ports %q, want %q", own.Ports, want)
	}
	if want := []string{"ragproxy:" + cfg.DataDir}; !slices.Equal(own.Volumes, want) {
		t.Errorf("got volumes %q, want %q", own.Volumes, want)
	}
	if !own.ReadOnly || !slices.Equal(own.CapDrop, []string{"ALL"}) || !slices.Equal(own.SecurityOpt, []string{"no-new-privileges:true"}) {
		t.Error("ragproxy is not confined: read_only, cap_drop, security_opt")
	}
	if check := own.Healthcheck.Test; len(check) == 0 || check[len(check)-1] != "healthcheck" {
		t.Errorf("got health check %q, want ragproxy's own", check)
	}
	if ui, want := file.Services["open-webui"], "http://ragproxy:"+port+"/v1"; ui.Environment["OPENAI_API_BASE_URL"] != want {
		t.Errorf("Open WebUI asks %s, want %s", ui.Environment["OPENAI_API_BASE_URL"], want)
	}
	for name, s := range file.Services {
		if s.Build == "" && !regexp.MustCompile(`:v?\d+\.\d+\.\d+$`).MatchString(s.Image) {
			t.Errorf("the image of %s is not pinned: %s", name, s.Image)
		}
		for _, v := range s.Volumes {
			if volume, _, _ := strings.Cut(v, ":"); !hasKey(file.Volumes, volume) {
				t.Errorf("%s uses a volume that is not declared: %s", name, volume)
			}
		}
		for other := range s.DependsOn {
			if !hasKey(file.Services, other) {
				t.Errorf("%s depends on %s, which is none", name, other)
			}
		}
	}
}

func hasKey[V any](m map[string]V, key string) bool {
	_, ok := m[key]
	return ok
}

// manifest is what of the Kubernetes objects is looked at here.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		Selector any
		Ports    []struct {
			Port       int
			TargetPort string `yaml:"targetPort"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     podSpec
		}
	}
}

type podSpec struct {
	Grace           int `yaml:"terminationGracePeriodSeconds"`
	SecurityContext struct {
		RunAsNonRoot bool `yaml:"runAsNonRoot"`
		RunAsUser    int  `yaml:"runAsUser"`
		FSGroup      int  `yaml:"fsGroup"`
	} `yaml:"securityContext"`
	Containers []struct {
		Args  []string
		Env   []struct{ Name, Value string }
		Ports []struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
		}
		Startup         probe `yaml:"startupProbe"`
		Liveness        probe `yaml:"livenessProbe"`
		Readiness       probe `yaml:"readinessProbe"`
		SecurityContext struct {
			ReadOnly     bool  `yaml:"readOnlyRootFilesystem"`
			Escalation   *bool `yaml:"allowPrivilegeEscalation"`
			Capabilities struct{ Drop []string }
		} `yaml:"securityContext"`
		VolumeMounts []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
		} `yaml:"volumeMounts"`
	}
	Volumes []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
		Claim     struct {
			Name string `yaml:"claimName"`
		} `yaml:"persistentVolumeClaim"`
	}
}

type probe struct {
	HTTP struct{ Path, Port string } `yaml:"httpGet"`
}

func manifests(t *testing.T) map[string]manifest {
	out := map[string]manifest{}
	dec := yaml.NewDecoder(bytes.NewReader(read(t, "kubernetes.yaml")))
	for {
		var m manifest
		err := dec.Decode(&m)
		if errors.Is(err, io.EOF) {
			return out
		}
		check(t, err)
		out[m.Kind] = m
	}
}

func TestKubernetes(t *testing.T) {
	objects := manifests(t)
	pod := objects["Deployment"].Spec.Template.Spec
	c := pod.Containers[0]
	file := filepath.Join(t.TempDir(), "ragproxy.yaml")
	check(t, os.WriteFile(file, []byte(objects["ConfigMap"].Data["ragproxy.yaml"]), 0o600))
	var env []string
	for _, line := range instructions(t)["ENV"] {
		env = append(env, strings.Fields(line)...)
	}
	for _, e := range c.Env {
		env = append(env, e.Name+"="+e.Value)
	}
	cfg := load(t, "kubernetes.yaml", config.LoadOptions{File: file, Env: env})
	if grace := time.Duration(pod.Grace) * time.Second; grace < needed(cfg) {
		t.Errorf("terminationGracePeriodSeconds is %s, want %s or more", grace, needed(cfg))
	}
	if cfg.Server.ShutdownDelay == 0 {
		t.Error("server.shutdown_delay is 0: requests would still come while the Service does not know")
	}
	if got := []probe{c.Startup, c.Liveness, c.Readiness}; got[0].HTTP.Path != "/livez" || got[1].HTTP.Path != "/livez" || got[2].HTTP.Path != "/readyz" {
		t.Errorf("got probes %+v, want /livez, /livez, /readyz", got)
	}
	if _, port, _ := strings.Cut(cfg.Listen, ":"); len(c.Ports) != 1 || strconv.Itoa(c.Ports[0].ContainerPort) != port {
		t.Errorf("got ports %+v, want the one of %s", c.Ports, cfg.Listen)
	}
	for _, target := range []string{c.Startup.HTTP.Port, c.Liveness.HTTP.Port, c.Readiness.HTTP.Port, objects["Service"].Spec.Ports[0].TargetPort} {
		if target != c.Ports[0].Name {
			t.Errorf("port %q is asked, the container has %q", target, c.Ports[0].Name)
		}
	}
	if s, p := c.SecurityContext, pod.SecurityContext; !s.ReadOnly || s.Escalation == nil || *s.Escalation || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) ||
		!p.RunAsNonRoot || p.RunAsUser != uid || p.FSGroup != uid {
		t.Errorf("the pod is not confined: %+v %+v", s, p)
	}
	mounts := map[string]string{}
	for _, m := range c.VolumeMounts {
		mounts[m.Name] = m.MountPath
	}
	if mounts["data"] != cfg.DataDir || mounts["config"] != "/etc/ragproxy" || mounts["keys"] != filepath.Dir(cfg.Auth.File) {
		t.Errorf("got mounts %v, want %s, /etc/ragproxy and %s", mounts, cfg.DataDir, filepath.Dir(cfg.Auth.File))
	}
	for _, v := range pod.Volumes {
		if !hasKey(mounts, v.Name) || v.ConfigMap.Name != "" && v.ConfigMap.Name != objects["ConfigMap"].Metadata.Name || v.Claim.Name != "" && v.Claim.Name != objects["PersistentVolumeClaim"].Metadata.Name {
			t.Errorf("volume %+v is of nothing here", v)
		}
	}
}

func TestSystemd(t *testing.T) {
	var env []string
	grace := time.Duration(0)
	for line := range strings.Lines(string(read(t, "ragproxy.service"))) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "Environment":
			env = append(env, strings.Fields(value)...)
		case "TimeoutStopSec":
			seconds, err := strconv.Atoi(value)
			check(t, err)
			grace = time.Duration(seconds) * time.Second
		case "MemoryDenyWriteExecute":
			t.Error("MemoryDenyWriteExecute would forbid the PDF reader")
		}
	}
	cfg := load(t, "ragproxy.service", config.LoadOptions{Env: env})
	if grace < needed(cfg) {
		t.Errorf("TimeoutStopSec is %s, want %s or more", grace, needed(cfg))
	}
	if cfg.DataDir != "/var/lib/ragproxy" {
		t.Errorf("data_dir is %s, want the StateDirectory", cfg.DataDir)
	}
}
