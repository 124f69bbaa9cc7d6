// Renders the cases on standard input with the npm package handlebars of the folder named by the argument.
// Answers a list in the order of the cases: {"output": …}, or {"error": true}.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const Handlebars = createRequire(`${process.argv[2]}/`)("handlebars");

function render({ template, data, partials = {}, options = {} }) {
  const own = Handlebars.create();
  own.log = () => {};
  own.registerPartial(partials);
  try {
    return { output: own.compile(template, options)(data) };
  } catch {
    return { error: true };
  }
}

// its notes on prototypes go to the console
console.error = console.log = () => {};
process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(render)));
