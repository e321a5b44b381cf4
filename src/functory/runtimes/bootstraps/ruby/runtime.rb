# frozen_string_literal: true

# The Ruby client: asks the Runtime API for events and calls the function.
#
# Behaves as AWS's client does towards functions and callers: handlers "file.method" and "file.Module::Class.method" with
# the keywords event and context, errors named Function<X>, Init<X>, request ids in the lines of Logger. Only Ruby's own
# library is used, so that nothing stands in the way of the gems a function brings.

require 'json'
require 'net/http'
require 'stringio'

require_relative 'lambda_context'
require_relative 'lambda_errors'
require_relative 'lambda_handler'
require_relative 'lambda_log'

module FunctoryLambda
  # One Runtime API, over one connection that stays open.
  class RuntimeApi
    PREFIX = '/2018-06-01/runtime'
    AGENT = "functory-ruby/#{RUBY_VERSION}"

    def initialize(address)
      host, _, port = address.rpartition(':')
      @http = Net::HTTP.new(host, Integer(port), nil)
      @http.read_timeout = nil # the next event may be long in coming
      @http.max_retries = 0
      @http.keep_alive_timeout = 86_400
      @http.start
    end

    def next_event
      response = @http.get("#{PREFIX}/invocation/next", 'User-Agent' => AGENT)
      raise "the Runtime API answered #{response.code}" unless response.code == '200'

      response
    end

    def respond(request_id, body, content_type)
      post("/invocation/#{request_id}/response", body, 'Content-Type' => content_type)
    end

    def fail(request_id, error)
      headers = { 'Lambda-Runtime-Function-Error-Type' => error.type }
      headers['Lambda-Runtime-Function-XRay-Error-Cause'] = error.xray_cause if error.xray_cause.bytesize < 1_048_576
      post("/invocation/#{request_id}/error", error.to_json, headers)
    end

    def fail_init(error)
      post('/init/error', error.to_json, 'Lambda-Runtime-Function-Error-Type' => error.type)
    end

    private

    def post(path, body, headers)
      all = { 'Content-Type' => 'application/json', 'User-Agent' => AGENT }.merge(headers)
      response = @http.post(PREFIX + path, body, all)
      response.body
      response
    end
  end

  # Loads the handler, then answers events until the process is ended.
  class Runtime
    def initialize(api, handler_name, root)
      @api = api
      @handler_name = handler_name
      @root = root
    end

    def run
      handler = load_handler
      loop { handle(handler, @api.next_event) }
    end

    private

    def load_handler
      handler = Handler.new(@handler_name, @root)
      handler.load
      handler
    rescue Exception => e # rubocop:disable Lint/RescueException -- whatever stops the start is told
      error = LambdaError.new(e, 'Init')
      Log.error('Init error when loading handler', error)
      @api.fail_init(error)
      exit!(1)
    end

    def handle(handler, event)
      request_id = event['Lambda-Runtime-Aws-Request-Id']
      Log.request_id = request_id
      trace = event['Lambda-Runtime-Trace-Id']
      ENV['_X_AMZN_TRACE_ID'] = trace if trace
      body, content_type = handler.call(event.body, event['Content-Type'], Context.new(event))
      response = @api.respond(request_id, body, content_type)
      too_large(request_id, response) if response.code == '413'
    rescue NameError, ScriptError, NoMemoryError, SecurityError, SystemExit, SystemStackError, Interrupt => e
      give_up(request_id, e)
    rescue StandardError => e
      error = LambdaError.new(e, 'Function')
      Log.error('Error raised from handler method', error)
      @api.fail(request_id, error)
    ensure
      $stdout.flush
      $stderr.flush
    end

    # After these the state of the process cannot be trusted. AWS: the runtime ends.
    def give_up(request_id, exception)
      error = LambdaError.new(exception, 'Function')
      Log.error('Critical exception from handler', error)
      @api.fail(request_id, error)
      exit!(1)
    end

    def too_large(request_id, response)
      text = begin
        JSON.parse(response.body)['errorMessage']
      rescue JSON::ParserError
        nil
      end
      error = LambdaError.new(RuntimeError.new(text || 'The response is too large'), 'Function')
      @api.fail(request_id, error)
    end
  end
end

$stdout.sync = true
$stderr.sync = true
FunctoryLambda::Log.patch_logger
root = ENV.fetch('LAMBDA_TASK_ROOT')
$LOAD_PATH.unshift(root) unless $LOAD_PATH.include?(root)
api = FunctoryLambda::RuntimeApi.new(ENV.fetch('AWS_LAMBDA_RUNTIME_API'))
FunctoryLambda::Runtime.new(api, ENV.fetch('_HANDLER'), root).run
