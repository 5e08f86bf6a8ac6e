import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

/** The page speaks the binary format alone: what would read and write protobuf's JSON is 5 kB that nobody needs to fetch. */
const withoutJson: Plugin = {
  name: "without-json",
  enforce: "pre",
  load(id) {
    const [, way] = /@bufbuild\/protobuf\/dist\/esm\/(from|to)-json\.js$/.exec(id) ?? [];
    if (!way) return undefined;
    const reads = ["fromJson", "fromJsonString", "mergeFromJson", "mergeFromJsonString", "enumFromJson", "isEnumJson"];
    const names = way === "from" ? reads : ["toJson", "toJsonString", "enumToJson"];
    return `const none = () => { throw new Error("the page speaks no JSON"); };\nexport { ${names.map((n) => `none as ${n}`).join(", ")} };`;
  },
};

// Nothing inlined and no polyfill: the page's policy allows neither `data:` nor inline scripts.
export default defineConfig({
  plugins: [svelte(), withoutJson],
  build: { target: "es2023", assetsInlineLimit: 0, modulePreload: { polyfill: false }, cssCodeSplit: false, reportCompressedSize: false },
});
