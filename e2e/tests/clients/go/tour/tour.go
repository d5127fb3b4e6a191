// Package tour is what a tour of a server is made of: steps that all run, and small checks that end the step they fail in. Which steps
// there are is the tour's business.
package tour

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"time"
)

// Step is one thing that must hold. Its sentence says what.
type Step struct {
	Sentence string
	Run      func()
}

// failure is what a check ends its step with.
type failure struct{ told string }

// Run runs every step, whatever happened to those before it, prints a line each, and ends the program: with 1 where one failed.
func Run(steps []Step) {
	failed := 0
	for _, step := range steps {
		started := time.Now()
		if told := try(step.Run); told != "" {
			failed++
			fmt.Printf("FAIL %s: %s\n", step.Sentence, told)
		} else {
			fmt.Printf("ok   %s (%.2f s)\n", step.Sentence, time.Since(started).Seconds())
		}
	}
	fmt.Printf("%d steps hold, %d do not\n", len(steps)-failed, failed)
	if failed > 0 || len(steps) == 0 {
		os.Exit(1)
	}
}

// try gives why the step failed, or nothing.
func try(step func()) (told string) {
	defer func() {
		switch reason := recover().(type) {
		case nil:
		case failure:
			told = reason.told
		default:
			panic(reason)
		}
	}()
	step()
	return ""
}

// Check ends the step unless it holds.
func Check(holds bool, format string, values ...any) {
	if !holds {
		panic(failure{fmt.Sprintf(format, values...)})
	}
}

// Done ends the step on an error.
func Done(err error) {
	Check(err == nil, "%v", err)
}

// Must gives the value, and ends the step on an error.
func Must[T any](value T, err error) T {
	Done(err)
	return value
}

// Same ends the step unless both are equal.
func Same[T any](found, expected T) {
	Check(reflect.DeepEqual(found, expected), "found %#v, expected %#v", found, expected)
}

// SameBytes ends the step unless both are equal, without printing megabytes.
func SameBytes(found, expected []byte) {
	if bytes.Equal(found, expected) {
		return
	}
	at := 0
	for at < min(len(found), len(expected)) && found[at] == expected[at] {
		at++
	}
	Check(false, "%d bytes found, %d expected, the first difference at %d", len(found), len(expected), at)
}

// Pattern gives bytes that differ from place to place and from seed to seed, so that a piece in the wrong place is seen.
func Pattern(size, seed int) []byte {
	made := make([]byte, 0, size+sha256.Size)
	for n := 0; len(made) < size; n++ {
		block := sha256.Sum256(fmt.Appendf(nil, "%d/%d", seed, n))
		made = append(made, block[:]...)
	}
	return made[:size]
}

// Name gives a name of a bucket that there is not yet.
func Name() string {
	random := make([]byte, 10)
	Must(rand.Read(random))
	return "tour-" + hex.EncodeToString(random)
}

// Keys are keys that lead astray whoever encodes them wrongly, in the order of their bytes.
var Keys = []string{
	"%", "+", "/leading", "<tag attr='x\"'>&amp;", "@:,;=$", "a b", "a%20b", "a+b", "a//b", "q?x=1&y=2#z", "trailing/", "two  spaces",
	"~._-!*'()", "ü/€/😀",
}

// Exchange sends one request without a signature: status, headers and body of the answer, whatever the status.
func Exchange(client *http.Client, method, url string, headers http.Header, body []byte) (int, http.Header, []byte) {
	request := Must(http.NewRequest(method, url, bytes.NewReader(body)))
	for name, values := range headers {
		// The client sends the host of the URL by itself.
		if name != "Host" && name != "Content-Length" {
			request.Header[name] = values
		}
	}
	answer := Must(client.Do(request))
	defer answer.Body.Close()
	return answer.StatusCode, answer.Header, Must(io.ReadAll(answer.Body))
}
