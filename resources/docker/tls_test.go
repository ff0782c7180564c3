package docker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/LerianStudio/midaz-infra/resources/dockerapi"
)

// An engine behind TLS is taken with the certificate of the authority that was
// given, and with no other.
func TestTLSIsVerified(t *testing.T) {
	asked := 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Api-Version", "1.41")
		_, _ = io.WriteString(w, "OK")
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	own := s.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ca   []byte
		good bool
	}{
		"its authority": {own.Certificate[0], true},
		"another one":   {anotherAuthority(t), false},
	} {
		dir := t.TempDir()
		for file, block := range map[string]pem.Block{
			"ca.pem":   {Type: "CERTIFICATE", Bytes: c.ca},
			"cert.pem": {Type: "CERTIFICATE", Bytes: own.Certificate[0]},
			"key.pem":  {Type: "PRIVATE KEY", Bytes: key},
		} {
			if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(&block), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		asked = 0
		e, err := OpenReader(t.Context(), dockerapi.Options{LookupEnv: env(map[string]string{"DOCKER_CONFIG": t.TempDir(),
			"DOCKER_HOST": "tcp://" + s.Listener.Addr().String(), "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": dir})})
		if err == nil {
			_ = e.Close()
		}
		switch {
		case c.good && err != nil:
			t.Errorf("%s: %v", name, err)
		case !c.good && (err == nil || !strings.Contains(err.Error(), "certificate") || asked > 0):
			t.Errorf("%s: %v, after %d requests", name, err, asked)
		}
	}
}

// anotherAuthority returns a certificate that signed nothing.
func anotherAuthority(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "another"},
		NotBefore: time.Now().Add(-time.Hour),
		NotAfter:  time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
