package redisurl

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// everyError has all the errors that Parse may return. They are constants, so nothing of the
// URL is in them.
var everyError = []error{
	errScheme, errEscape, errSpecial, errUserOnly, errHost, errSeveral, errPort, errDB,
	errSocket, errParamTCP, errParamUnix, errFragment,
}

// FuzzParse plants a password in URLs, encoded and raw, whole and cut short, and checks that
// it is either read unchanged, or appears in no error.
func FuzzParse(f *testing.F) {
	for _, password := range []string{
		"s3cr3t-K9", "p/ss-W0RD", "p?ss-W0RD", "p#ss-W0RD", "p%ss-W0RD", "p@ss:W0RD", "W0RD://W0RD@W0RD:W0RD/W0RD?W0RD=W0RD",
		"99999", "[::W0RD]", " W0RD\r\n", "\x00W0RD", "日本語-W0RD", "%zzW0RD", "&addr=W0RD",
	} {
		f.Add(password, uint(0), "redis://host:6379/1?addr=b:2")
	}
	f.Fuzz(func(t *testing.T, password string, cut uint, other string) {
		encoded := url.QueryEscape(password)
		if c, err := Parse("redis://user:" + strings.ReplaceAll(encoded, "+", "%20") + "@host/1"); password != "" {
			if err != nil || c.Password != password || c.Addrs[0] != "host:6379" {
				t.Errorf("an encoded password is not read as it was: %v", err)
			}
		}
		for _, raw := range []string{
			other, other + password, password + other, password,
			"redis://" + password, "redis://:" + password, "redis://user:" + password + "@",
			"redis://:" + password + "@host", "redis://user:" + password + "@host:1/2",
			"redis://user:" + password + "@host:port", "redis://user:" + password + "@host/db",
			"redis://:" + encoded + "@host?no=1", "rediss://" + password + ":" + password + "@host?addr=" + password,
			"redis://host/" + password, "redis://host?" + password, "redis://host?addr=" + password,
			"unix://:" + password + "@/path", "unix://" + password, "unix:///path?db=" + password,
		} {
			check(t, raw, password)
			check(t, raw[:min(uint(len(raw)), cut)], password)
			check(t, raw[min(uint(len(raw)), cut):], password)
		}
	})
}

// check parses raw, and fails the test if the error is not one of the constants, or has a part
// of the password that is not also part of the constants' words.
func check(t *testing.T, raw, password string) {
	t.Helper()
	_, err := Parse(raw)
	if err == nil {
		return
	}
	if !slices.Contains(everyError, err) {
		t.Fatalf("an error that is not a constant: %v", err)
	}
	for i := 0; i+4 <= len(password); i++ {
		part := password[i : i+4]
		if strings.Contains(err.Error(), part) && !constant(part) {
			t.Fatalf("%q of the password %q is in the error %q", part, password, err)
		}
	}
}

// constant reports whether part occurs in the errors' own words.
func constant(part string) bool {
	return slices.ContainsFunc(everyError, func(err error) bool { return strings.Contains(err.Error(), part) })
}
