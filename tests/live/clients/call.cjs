// One call of npm's ollama, as call.py makes it of Python's; the folder of modules comes first.
const [modules, url, method, given, headers] = process.argv.slice(2)
const { Ollama } = require(`${modules}/node_modules/ollama`)

async function main() {
  const told = { parts: [] }
  try {
    const client = new Ollama({ host: url, headers: JSON.parse(headers) })
    const answer = await client[method](JSON.parse(given))
    if (answer[Symbol.asyncIterator]) for await (const part of answer) told.parts.push(part)
    else told.parts.push(answer)
  } catch (error) {
    told.error = error.message
    told.status = error.status_code ?? null
  }
  console.log(JSON.stringify(told))
}

main()
