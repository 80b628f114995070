package httplimit

// PrefersText is prefersText, for tests.
var PrefersText = prefersText
