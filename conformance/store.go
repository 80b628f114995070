package conformance

// storeChecks are the clauses of the contract of store.Store, the plain ones
// first.
var storeChecks = []check{
	{"Once", "One Run is one execution of the script.", once},
	{"RoundTrip", "The script gets the decimal form of args as ARGV, and Run returns the integers of its reply, all of them in order and exact to 2^53.", roundTrip},
	{"Keys", "A key is any text, and arrives as it is, byte for byte.", nastyKeys},
	{"ManyKeys", "KEYS has the keys of the run, all of them in order.", manyKeys},
	{"SharedState", "All Stores of one Redis see one state.", sharedState},
	{"Uncached", "Run works whether or not the server has the script cached.", uncached},
	{"Flushed", "Run works also where the server has forgotten a script that it had cached, at any time.", flushed},
	{"BadReply", "A reply that is not a flat array of integers is, or wraps, ErrReply; the next run is not affected.", badReply},
	{"ServerError", "An error that the server replied with is, or wraps, a *ServerError with its message, so with its prefix.", serverError},
	{"ContextEnded", "A Run whose context has ended runs nothing; its error wraps ctx.Err().", contextEnded},
	{"ContextEnds", "The error of a Run during which its context ended wraps ctx.Err(), or what that is about to be: a deadline on a socket may pass a moment before the context's.", contextEnds},
	{"Prompt", "A Store whose Prompt method returns true returns from Run within moments of the context's deadline.", prompt},
	{"Neighbours", "A run that is given up disturbs no other.", neighbours},
	{"ArgsUnchanged", "Run does not modify keys and args, nor what is behind their ends.", argsUnchanged},
	{"ArgsNotKept", "Run does not use keys and args once it has returned.", argsNotKept},
	{"ReplyOwned", "What Run returns is the caller's alone.", replyOwned},
	{"OwnReply", "Concurrent runs get the replies to their own scripts, keys and args.", ownReply},
	{"Atomic", "A run is one atomic step, from whatever Store.", atomicity},
	{"LostReply", "A run whose outcome is unknown is not repeated; its error wraps none of package context's, unless the context has ended.", lostReply},
	{"Partitions", "A Store that is store.Partitioned says of each key where it is, and always the same; any keys of one partition may be in one run.", partitions},
	{"RunAll", "RunAll of a Store that is store.Pipelined does each run as Run would: once, with a reply and an error of its own, whether the script is cached or not, and none once the context has ended.", runAll},
	{"RunAcross", "RunAcross of a Store that is store.Spanning does each run on keys of several partitions of one server: as RunAll does, and without KEYS, which ARGV begins with.", runAcross},
	{"NoGoroutineLeft", "A Store that is closed leaves no goroutine behind.", noGoroutineLeft},
}
