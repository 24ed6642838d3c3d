const API = '/api/auth/';
/** Three tries and the waits between them stay within the server's window of 30 s. */
const REFRESH_TIMEOUT_MS = 8_000;
const TRIES = 3;
/** What is not tried again may take its time. */
const TIMEOUT_MS = 30_000;
const FIRST_WAIT_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
/** An access token is renewed so long before it expires. */
const EARLY_MS = 60_000;
/** One that was renewed just now and is refused is not refused for its age. */
const JUST_NOW_MS = 5_000;
let state = { kind: 'unknown' };
let held;
/** Goes up with every login and logout, here or in another tab: an answer to an older request then says nothing any more. */
let era = 0;
/** When the state last changed: what a tab told before that, and was delivered late, is old news. */
let asOf = 0;
let renewing;
let failures = 0;
let pausedUntil = 0;
let channel;
const listeners = new Set();
/** Who is signed in, as a store: fits `useSyncExternalStore` and its like. The first subscriber makes it find out. */
export const session = {
    getSnapshot: () => state,
    subscribe(listener) {
        listeners.add(listener);
        start();
        return () => listeners.delete(listener);
    },
    /** Finds out now, when that is not known. */
    async check() {
        start();
        await freshToken();
        return state;
    },
};
function setState(next) {
    state = next;
    for (const listener of listeners)
        listener();
}
/** The server's companion of the session cookie. Without it there is nobody to refresh, and no need to ask. */
function mayBeSignedIn() {
    return /(?:^|; )signed-in=1(?:;|$)/.test(document.cookie);
}
function adopt(body, receivedAt = Date.now()) {
    const { iat, exp } = JSON.parse(atob((body.accessToken.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')));
    const expiresAt = receivedAt + (exp - iat) * 1000;
    held = { body, receivedAt, renewAt: expiresAt - EARLY_MS, expiresAt };
    asOf = receivedAt;
    failures = 0;
    pausedUntil = 0;
    setState({ kind: 'signed-in', user: body.user, session: body.session });
}
function forget() {
    era += 1;
    held = undefined;
    asOf = Date.now();
    if (state.kind !== 'signed-out')
        setState({ kind: 'signed-out' });
}
/** For this tab and the others. */
function signedIn(body) {
    adopt(body);
    tell({ body, at: asOf });
}
function signedOut() {
    forget();
    tell({ at: asOf });
}
function tell(message) {
    start();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has one origin: this one
    channel?.postMessage(message);
}
function start() {
    if (channel !== undefined || typeof document === 'undefined')
        return;
    channel = new BroadcastChannel('latchkey');
    channel.addEventListener('message', ({ data: { body, at } }) => {
        if (at < asOf)
            return;
        if (body === undefined)
            return forget();
        // A login elsewhere; a mere refresh of the same session leaves what is under way here as it is.
        if (held?.body.session.id !== body.session.id)
            era += 1;
        adopt(body, at);
    });
    const lookAgain = () => {
        if (document.visibilityState === 'visible')
            void freshToken();
    };
    document.addEventListener('visibilitychange', lookAgain);
    addEventListener('pageshow', lookAgain);
    addEventListener('online', () => {
        pausedUntil = 0;
        lookAgain();
    });
    void freshToken();
}
// --- The access token ---
/** One that is good for a minute or more where that can be had; undefined when nobody is signed in or the server is away. */
async function freshToken() {
    if (typeof document === 'undefined')
        return undefined;
    if (!mayBeSignedIn()) {
        if (state.kind !== 'signed-out')
            forget();
        return undefined;
    }
    if (held === undefined || Date.now() >= held.renewAt)
        await renew();
    return held !== undefined && Date.now() < held.expiresAt ? held.body.accessToken : undefined;
}
/** One at a time in a tab, however many ask. */
function renew() {
    renewing ??= tryToRenew().finally(() => (renewing = undefined));
    return renewing;
}
/** What the server said last; undefined when it was not asked, in a pause. */
async function tryToRenew() {
    const begun = era;
    let raced = false;
    let result;
    for (let tries = 1; Date.now() >= pausedUntil; tries += 1) {
        result = await call('POST', 'refresh', {});
        if (era !== begun)
            return result;
        if (result.ok) {
            signedIn(result.answer);
            return result;
        }
        const { code, retryAfterSeconds = 0 } = result.problem;
        if (code === 'session-ended') {
            // The cookie is still there: another tab may have signed in anew while this was on its way.
            if (raced || !mayBeSignedIn()) {
                pausedUntil = Date.now() + aboutTwice(TRIES);
                signedOut();
                return result;
            }
            raced = true;
        }
        else if (tries === TRIES || retryAfterSeconds > 0) {
            failures += 1;
            pausedUntil = Date.now() + Math.max(retryAfterSeconds * 1000, aboutTwice(failures + TRIES));
        }
        else {
            await new Promise((resolve) => setTimeout(resolve, aboutTwice(tries)));
            if (era !== begun)
                return result;
        }
    }
    return result;
}
/** Twice as long each time, up to a minute, and never the same for all: they would all come back at once. */
function aboutTwice(times) {
    return Math.min(LONGEST_PAUSE_MS, FIRST_WAIT_MS * 2 ** times) * (0.5 + Math.random() / 2);
}
/**
 * As `globalThis.fetch`, with the access token for the app's own origin; to any other origin nothing is added. A request that is refused
 * (401) is sent once more with a new token.
 */
async function fetchWithToken(input, init) {
    const request = new Request(input, init);
    if (new URL(request.url).origin !== location.origin || request.headers.has('authorization'))
        return fetch(request);
    const again = request.clone();
    const token = await freshToken();
    const response = await sendWith(request, token);
    if (response.status !== 401 || token === undefined)
        return response;
    if (held?.body.accessToken === token) {
        if (Math.abs(Date.now() - held.receivedAt) < JUST_NOW_MS)
            return response;
        await renew();
    }
    const other = held?.body.accessToken;
    return other === undefined || other === token ? response : sendWith(again, other);
}
export { fetchWithToken as fetch };
function sendWith(request, token) {
    if (token !== undefined)
        request.headers.set('authorization', `Bearer ${token}`);
    return fetch(request);
}
// --- The lifecycle ---
export function register(person) {
    return call('POST', 'register', person);
}
/** A new link for a registration that waits. */
export function requestVerification(email) {
    return call('POST', 'verify', { email });
}
/** Confirms an address; with `{ stop }`, a link's token, stops a change of address. */
export function verify(proof) {
    return call('PUT', 'verify', proof);
}
export async function login(person) {
    return replaced(await call('POST', 'login', person));
}
/** A new token and the account as it is now, although the token held may be good: at a person's wish, it waits for no pause. */
export async function refresh() {
    pausedUntil = 0;
    return (await renew()) ?? noAnswer(0);
}
/** Signs out here, or on every device. Not done when there is no answer: say so, and let the person try again. */
export async function logout(wish = {}) {
    era += 1;
    const result = await call('POST', 'logout', wish);
    if (result.ok)
        signedOut();
    return result;
}
export function requestReset(email) {
    return call('POST', 'reset', { email });
}
/** Signs nobody in, and everybody out: here as well, when it was this account. */
export function reset(proof) {
    return call('PUT', 'reset', proof);
}
// --- The account ---
export function devices() {
    return call('GET', 'sessions');
}
/** One by its id, or all but this one. */
export async function endDevice(which) {
    const path = 'id' in which ? `sessions?id=${encodeURIComponent(which.id)}` : 'sessions?others=true';
    const result = await call('DELETE', path);
    if (result.ok && !mayBeSignedIn())
        signedOut();
    return result;
}
export async function changePassword(passwords) {
    return replaced(await call('PATCH', 'account', passwords));
}
/** Nothing changes before the new address is confirmed by its mail. */
export function changeEmail(wish) {
    return call('PATCH', 'account', wish);
}
export async function deleteAccount(wish) {
    const result = await call('DELETE', 'account', wish);
    if (result.ok)
        signedOut();
    return result;
}
/** A new session took the place of whatever was there. */
function replaced(result) {
    if (result.ok) {
        era += 1;
        signedIn(result.answer);
    }
    return result;
}
// --- The wire ---
/** One answer of several that an operation has is named by the caller, who knows from the body which one it will be. */
async function call(method, path, ...[body]) {
    let status = 0;
    try {
        const response = await fetch(API + path, {
            method,
            cache: 'no-store',
            signal: AbortSignal.timeout(path === 'refresh' ? REFRESH_TIMEOUT_MS : TIMEOUT_MS),
            ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
        });
        status = response.status;
        const text = await response.text();
        const answer = text === '' ? undefined : JSON.parse(text);
        if (response.ok)
            return { ok: true, answer };
        const { code, title, detail, errors = [] } = answer;
        const retryAfterSeconds = Number(response.headers.get('retry-after')) || undefined;
        const requestId = response.headers.get('x-request-id') ?? undefined;
        if (code !== undefined)
            return { ok: false, problem: { code, status, title, detail, errors, retryAfterSeconds, requestId } };
    }
    catch {
        // No connection, no time left, or an answer that is not ours.
    }
    return noAnswer(status);
}
function noAnswer(status) {
    return {
        ok: false,
        problem: {
            code: 'no-answer',
            status,
            title: 'No answer',
            detail: 'The server could not be reached. Check the connection, then try again.',
            errors: [],
            retryAfterSeconds: undefined,
            requestId: undefined,
        },
    };
}
